"""The page of an audit in a real Chromium: ticks, filters, and the list that it saves."""

import csv
import io

import cv2
import numpy as np
import pytest

from steelexp.data.exclusion import read_list
from steelexp.records.audit import AuditFile, AuditFinding, AuditRun
from steelexp.report.audit_page import COLUMNS, audit_page
from tests.report.test_page_in_browser import browser, show  # noqa: F401  # fixtures

HOSTILE = "=1+1<img src=x onerror=alert(1)>\n\"';,.png"
CLASSES = ("scratch", "<b>&'\"")
KINDS = ("missed", "invented", "swapped", "ragged")


def finding(rank, image, kind, label, other=""):
    return AuditFinding(
        rank=rank,
        image=image,
        kind=kind,
        label=label,
        other=other,
        suspicion=1 / rank,
        disagreement=0.5,
        loss=1.0,
        own_score=0.25,
        other_score=0.75,
        area=100,
        top=0,
        left=0,
        bottom=10,
        right=10,
        runs=[1],
        picked_epoch=False,
    )


@pytest.fixture
def page_file(tmp_path):
    """The page of four findings, one of each kind."""
    names = ("a.png", HOSTILE, "c.png", "d.png")
    audit = AuditFile(
        runs=[AuditRun(folder="runs/a/1", digest="1", weights="sha", images=4)],
        manifest="sha",
        classes=list(CLASSES),
        images=5,
        audited=4,
        picked_epoch=0,
        not_audited=1,
        min_area=16,
        components=4,
        kinds=dict.fromkeys(KINDS, 1),
        shown=[
            finding(rank, name, kind, CLASSES[rank % 2], CLASSES[0] if kind == "swapped" else "")
            for rank, (name, kind) in enumerate(zip(names, KINDS, strict=True), start=1)
        ],
    )
    jpeg = cv2.imencode(".jpg", np.full((64, 200, 3), 128, np.uint8))[1].tobytes()
    path = tmp_path / "audit.html"
    path.write_text(audit_page(audit, [jpeg] * 4))
    return path


def test_the_list_has_what_is_ticked(show, page_file, tmp_path):  # noqa: F811
    page = show(page_file)
    save = page.get_by_role("button", name="save the list")
    assert save.is_disabled()
    boxes = page.get_by_role("checkbox")
    boxes.nth(1).check()
    boxes.nth(2).check()
    assert page.locator("#count").inner_text() == "2 ticked"
    boxes.nth(2).uncheck()
    with page.expect_download() as download:
        save.click()
    assert download.value.suggested_filename == "audit-list.csv"
    file = tmp_path / "list.csv"
    download.value.save_as(file)
    header, row = csv.reader(io.StringIO(file.read_bytes().decode(), newline=""))
    assert header == list(COLUMNS)
    assert row == [f"'{HOSTILE}", "2", "invented", "scratch", "", "0.5"]
    assert read_list(file) == {HOSTILE}


def test_hostile_names_are_shown_as_text(show, page_file):  # noqa: F811
    page = show(page_file)
    assert "<img src=x onerror=alert(1)>" in page.locator(".finding").nth(1).inner_text()
    assert page.locator(".finding b").count() == 0


def test_a_kind_and_a_class_filter(show, page_file):  # noqa: F811
    page = show(page_file)
    page.get_by_role("checkbox").nth(0).check()
    page.locator("#kind").select_option("swapped")
    visible = [each for each in page.locator(".finding").all() if each.is_visible()]
    assert [each.get_attribute("data-kind") for each in visible] == ["swapped"]
    page.locator("#kind").select_option("")
    page.locator("#class").select_option("0")
    visible = [each for each in page.locator(".finding").all() if each.is_visible()]
    assert [each.get_attribute("data-kind") for each in visible] == ["invented", "ragged"]
    assert page.locator("#count").inner_text() == "1 ticked"  # what is hidden stays ticked


@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_is_wider_than_the_screen(show, page_file, width):  # noqa: F811
    page = show(page_file, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
