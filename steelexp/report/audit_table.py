"""The first findings of an audit as a table."""

from typing import Final

from rich.table import Table

from steelexp.records.audit import AuditFile
from steelexp.terminal import visible

ROWS: Final = 10


def audit_table(audit: AuditFile) -> Table:
    """The table of the most suspicious components."""
    table = Table(title="Most suspicious labels", title_justify="left")
    for name in ("rank", "image", "kind", "class", "suspicion", "area"):
        table.add_column(name, justify="left" if name in {"image", "kind", "class"} else "right")
    for finding in audit.shown[:ROWS]:
        rather = f", rather {finding.other}" if finding.other else ""
        table.add_row(
            str(finding.rank),
            visible(finding.image),
            finding.kind,
            visible(f"{finding.label}{rather}"),
            f"{finding.suspicion:.3f}",
            str(finding.area),
        )
    return table
