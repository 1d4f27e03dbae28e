"""The page of an audit: the most suspicious labels as pictures, to be ticked."""

import base64
from collections.abc import Sequence
from typing import Final, NamedTuple

from steelexp.records.audit import AuditFile, AuditFinding
from steelexp.report.rendering import rendered
from steelexp.spreadsheet import csv_text

COLUMNS: Final = ("image", "rank", "kind", "class", "other", "suspicion")
"""Columns of the list of ticked findings, which `data.exclude` takes."""

MEANINGS: Final = {
    "missed": "predicted with confidence, and no label is there",
    "invented": "labelled, and the scores are low",
    "swapped": "labelled as one class, and the scores are higher for another",
    "ragged": "label and prediction overlap, and their outlines disagree",
}


class Entry(NamedTuple):
    """A finding on the page.

    Attributes:
        finding: The finding.
        line: Its line in the list, ready to be saved.
        uri: Its picture as data URI.
    """

    finding: AuditFinding
    line: object
    uri: str


def audit_page(audit: AuditFile, pictures: Sequence[bytes]) -> str:
    """The page as text.

    Args:
        audit: Contents of audit.json.
        pictures: JPEG file of each finding that is shown.
    """
    from markupsafe import Markup, escape  # 0.1 s, at the end of an audit

    entries = []
    for finding, picture in zip(audit.shown, pictures, strict=True):
        # As markup, the line stays as it is: a page spells out control characters elsewhere.
        line = Markup(escape(_line(finding)))
        uri = f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}"
        entries.append(Entry(finding, line, uri))
    return rendered(
        "audit",
        title="Audit of labels",
        audit=audit,
        entries=entries,
        meanings=MEANINGS,
        header=csv_text([COLUMNS]),
    )


def _line(finding: AuditFinding) -> str:
    """The line of a finding in the list."""
    values = (finding.rank, finding.kind, finding.label, finding.other, finding.suspicion)
    return csv_text([(finding.image, *values)])
