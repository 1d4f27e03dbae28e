"""The files of an audit: table, pictures, document and page.

OUT/
  audit.csv            every finding, the most suspicious first
  audit.html           page to tick, with the first findings
  audit.json           what was audited, and the first findings
  pictures/0001.jpg    image, labels and prediction of each of the first findings
"""

import os
from collections import Counter
from pathlib import Path
from typing import get_args

from steelexp.audit.audit import Audit, Finding, picked_epoch
from steelexp.audit.pictures import pictures
from steelexp.errors import UserError
from steelexp.privacy import public
from steelexp.records.atomic import remove, replacing
from steelexp.records.audit import FILE, AuditFile, AuditFinding, AuditRun, Kind
from steelexp.records.document import write_document
from steelexp.report.audit_page import audit_page
from steelexp.spreadsheet import csv_text

TABLE = "audit.csv"
PAGE = "audit.html"
PICTURES = "pictures"

COLUMNS = (
    *("rank", "image", "kind", "class", "other", "suspicion", "disagreement", "loss"),
    *("own_score", "other_score", "area", "top", "left", "bottom", "right", "runs", "picked_epoch"),
)
"""Columns of audit.csv; `runs` are the numbers of the runs that scored the image."""


def check_replaceable(folder: Path) -> None:
    """Check that a folder can be made, or replaced: it is empty, or an audit wrote it.

    Raises:
        UserError: It holds something else.
    """
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise UserError(f"{folder}: not a folder; choose another one with --out")
    if any(folder.iterdir()) and not (folder / FILE).is_file():
        raise UserError(
            f"{folder}: holds files that no audit wrote; choose another folder with --out"
        )


def write_audit(folder: Path, audit: Audit, *, min_area: int, shown: int) -> AuditFile:
    """Write the files of an audit, whole or not at all, in the place of an earlier one.

    Args:
        folder: Folder to write.
        audit: Audit.
        min_area: Least pixels of a component.
        shown: Number of findings with a picture.
    """
    check_replaceable(folder)
    findings = _findings(audit)
    contents = _contents(audit, findings, min_area, shown)
    with replacing(folder) as beside:
        (beside / PICTURES).mkdir(parents=True)
        files = {}
        for number, content in pictures(audit, audit.findings[:shown]):
            files[number] = content
            (beside / PICTURES / f"{number + 1:04d}.jpg").write_bytes(content)
        rows = [_row(finding) for finding in findings]
        (beside / TABLE).write_text(csv_text([COLUMNS, *rows]), "utf-8", newline="")
        page = audit_page(contents, [files[number] for number in range(len(files))])
        (beside / PAGE).write_text(page, "utf-8", errors="backslashreplace")
        write_document(beside / FILE, contents.model_dump(mode="json"))
        remove(folder)
    return contents


def _contents(audit: Audit, findings: list[AuditFinding], min_area: int, shown: int) -> AuditFile:
    unseen = audit.unseen.by.any(axis=0)
    kinds = Counter(finding.kind for finding in findings)
    return AuditFile(
        runs=[
            AuditRun(
                folder=public(str(plan.folder.path)),
                digest=plan.digest,
                weights=plan.folder.finished_record().weights,
                images=int(rows.sum()),
            )
            for plan, rows in zip(audit.plans, audit.unseen.by, strict=True)
        ],
        manifest=audit.dataset.manifest,
        classes=list(audit.dataset.classes),
        images=len(audit.dataset),
        audited=int(unseen.sum()),
        picked_epoch=int(picked_epoch(audit.unseen).sum()),
        not_audited=int((~unseen).sum()),
        min_area=min_area,
        components=len(findings),
        kinds={kind: kinds[kind] for kind in get_args(Kind)},
        shown=findings[:shown],
    )


def _findings(audit: Audit) -> list[AuditFinding]:
    picked = picked_epoch(audit.unseen)
    return [
        _finding(audit, rank, finding, picked_epoch=bool(picked[finding.suspect.row]))
        for rank, finding in enumerate(audit.findings, start=1)
    ]


def _finding(audit: Audit, rank: int, finding: Finding, *, picked_epoch: bool) -> AuditFinding:
    suspect = finding.suspect
    classes = audit.dataset.classes
    return AuditFinding(
        rank=rank,
        image=audit.dataset.names[suspect.row],
        kind=suspect.kind,
        label=classes[suspect.label],
        other="" if suspect.other is None else classes[suspect.other],
        suspicion=round(finding.suspicion, 4),
        disagreement=round(suspect.disagreement, 4),
        loss=round(suspect.loss, 4),
        own_score=round(suspect.own_score, 4),
        other_score=round(suspect.other_score, 4),
        area=suspect.area,
        **suspect.box._asdict(),
        runs=[run + 1 for run in finding.runs],
        picked_epoch=picked_epoch,
    )


def _row(finding: AuditFinding) -> list[object]:
    values = finding.model_dump() | {"class": finding.label}
    values["runs"] = " ".join(map(str, finding.runs))
    values["picked_epoch"] = "yes" if finding.picked_epoch else "no"
    return [values[column] for column in COLUMNS]
