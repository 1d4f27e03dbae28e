"""Files that go with a run: what they hold, what is left out, and that they stay."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from steelexp.counts import Counts
from steelexp.records.image_scores import ImageScores, write_image_scores
from steelexp.records.provenance import running_code
from steelexp.records.source import SUFFIXES, package_folder
from steelexp.tracking import attachments
from steelexp.tracking.attachments import keep_file, write_scores, write_source


def test_the_source_is_that_of_this_package_and_nothing_else(folder: Path) -> None:
    path = write_source(folder)
    assert path.parent.parent == folder / "tracked"
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        text = archive.read("steelexp/plan.py").decode()
    package = package_folder()
    files = [p for p in package.rglob("*") if p.suffix in SUFFIXES]
    assert sorted(names) == sorted(p.relative_to(package.parent).as_posix() for p in files)
    assert text == (package / "plan.py").read_text()
    assert write_source(folder) == path


def test_secrets_in_the_source_stay_here() -> None:
    texts = ['API_KEY = "k3y-in-the-code-of-a-module"\n', "a\0b\n", "x = 1\n"]
    assert attachments._public_texts(texts) == ['API_KEY = "***"\n', "a b\n", "x = 1\n"]


def test_a_source_that_is_too_large_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachments, "MOST_BYTES", 100)
    attachments._source.cache_clear()
    with pytest.raises(OSError, match="characters are too many"):
        write_source(folder)
    assert not (folder / "tracked").exists()


def test_a_source_that_has_changed_is_not_what_ran(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(running_code().files, "steelexp/plan.py", "0" * 64)
    attachments._source.cache_clear()
    with pytest.raises(OSError, match=r"changed since this process began: 'steelexp/plan.py'"):
        write_source(folder)


def test_a_second_name_keeps_what_is_replaced(folder: Path) -> None:
    page = folder / "report.html"
    page.write_text("one")
    first = keep_file(page, folder)
    page.unlink()
    page.write_text("two")
    second = keep_file(page, folder)
    assert (first.read_text(), second.read_text()) == ("one", "two")
    assert first.name == second.name == "report.html"
    assert keep_file(page, folder) == second


def test_without_links_it_is_copied(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(attachments.os, "link", refuse)
    page = folder / "report.html"
    page.write_text("one")
    place = keep_file(page, folder)
    assert place.read_text() == "one"
    assert place.stat().st_ino != page.stat().st_ino


def test_scores_are_a_table_that_calculates_nothing(folder: Path) -> None:
    counts = Counts(*(np.array([[number]]) for number in (1, 1, 0)))
    scores = ImageScores(("=1+1.png",), np.array([4]), ("pit",), counts)
    write_image_scores(folder / "image_scores.parquet", {"test": scores})
    assert write_scores(folder).read_text().splitlines() == [
        "part,image,group,class,tp,fp,fn,dice",
        f"test,'=1+1.png,4,pit,1,1,0,{2 / 3}",
    ]


def test_scores_that_are_too_large_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = Counts(*(np.ones((500, 1), int) for _ in range(3)))
    scores = ImageScores(tuple(map(str, range(500))), np.arange(500), ("pit",), counts)
    table = write_image_scores(folder / "image_scores.parquet", {"test": scores})
    monkeypatch.setattr(attachments, "MOST_BYTES", table.stat().st_size)
    with pytest.raises(OSError, match="bytes as a table are too many"):
        write_scores(folder)
