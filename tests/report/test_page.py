import json
import re
import shutil
import subprocess
import sys
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import pytest

from steelexp import palette
from steelexp.command_line import program
from steelexp.report.page import PageError, page, write_page
from steelexp.report.selection import MOST_DETAILED
from tests.finished_runs import METRICS, finished, reseal, unfinished
from tests.page_folders import HOSTILE, all_sorts, quick_search, write_report
from tests.simulated_searches import write_search

TEMPLATES = Path(sys.modules["steelexp.report"].__path__[0]) / "templates"
PICTURES = ("{{ p.uri }}", "{{ entry.uri }}")  # data that the page holds


class Text(HTMLParser):
    """What is read of a page, its tags, and where it would fetch something."""

    def __init__(self, text):
        super().__init__()
        self.words, self.tags, self.fetched = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        places = [value for name, value in attrs if name in ("src", "href", "action", "data")]
        self.fetched += [each for each in places if not each.startswith(("#", "data:"))]

    def handle_data(self, data):
        self.words += data.split()

    @property
    def text(self):
        return " ".join(self.words)


class TestOneRun:
    @pytest.fixture
    def run(self, tmp_path):
        return finished(tmp_path / "b4_dice" / "3f9c1a7e")

    def test_says_what_the_record_says(self, run):
        text = Text(page(run.path)).text
        assert "b4_dice 3f9c1a7e" in text
        assert "all 0.500 0.875 0.812" in text
        assert "best epoch 3 of 4, by val_dice_batch" in text
        assert (
            "published; the source gives no definition, so it may be of another metric); "
            "this run 0.2500, −0.4672"
        ) in text
        assert f"{program()} run experiments/b4_dice.yaml --fresh" in text

    def test_intervals_stand_beside_their_metrics(self, run):
        write_report(run.path)
        reseal(run.path)
        text = Text(page(run.path)).text
        assert "0.500 [0.250, 0.500]" in text
        assert "1 0.750 [0.125, 0.375]" in text

    def test_a_head_stands_beside_the_highest_pixel_and_the_rules_without_a_gate(self, run):
        assert "Classification head" not in Text(page(run.path)).text
        write_report(run.path)
        reseal(run.path)
        text = Text(page(run.path)).text
        assert "Classification head, test images" in text
        assert "1 0.750 0.625 11 | 10 of 12 2 | 1 of 7 2 | 1 of 7 2 | 1 of 7" in text
        assert (
            "Of 9 images without any defect, 8 are left clean with the gate and 6 without" in text
        )

    def test_the_commit_and_the_changes_come_before_the_command(self, tmp_path):
        run = finished(tmp_path / "a" / "0", provenance={"commit": "c0ffee", "dirty": True})
        text = Text(page(run.path)).text
        assert f"git checkout c0ffee git apply {run.path}/changes.patch {program()}" in text

    def test_a_leak_is_said(self, tmp_path):
        leak = {"groups": 3, "val": 1, "test": 0}
        parts = {"train": 1, "val": 1, "test": 0, "digest": "", "groups": 1, "leak": leak}
        run = finished(tmp_path / "a" / "0", split={"kind": "random", "parts": parts})
        assert "Leak: 3 groups of near-duplicates cross the split" in Text(page(run.path)).text

    def test_is_written_into_the_folder_or_where_it_is_wanted(self, run, tmp_path):
        assert write_page(run.path) == run.path / "report.html"
        out = tmp_path / "new" / "a.html"
        assert write_page(run.path, out).read_text().startswith("<!doctype html>")

    def test_an_unfinished_one_says_how_far_it_is(self, tmp_path):
        run = unfinished(tmp_path / "a" / "0")
        assert "Unfinished, 0 epochs so far" in Text(page(run.path)).text


class TestFolder:
    @pytest.fixture(scope="class")
    def text(self, tmp_path_factory):
        return page(all_sorts(tmp_path_factory.mktemp("all") / "runs"))

    def test_every_run_has_its_row(self, text):
        leaderboard = text.partition('id="runs-table"')[2].partition("</table>")[0]
        statuses = re.findall(r'<tr data-status="(\w+)"', leaderboard)
        assert sorted(statuses) == ["damaged", *["finished"] * 6, "unfinished"]

    def test_of_many_runs_the_best_have_a_part_of_their_own(self, tmp_path):
        for number in range(MOST_DETAILED + 3):
            name = f"s{number % 35:02d}"
            metrics = METRICS | {"val_dice_positive": number / 100}
            path = tmp_path / name / str(number)
            finished(path, name=name, digest=str(number), seed=number, metrics=metrics)
        text = page(tmp_path)
        assert text.count("<tr data-status") == MOST_DETAILED + 3
        assert text.count('<div class="run-body"') == MOST_DETAILED
        read = Text(text).text
        assert f"{MOST_DETAILED} of {MOST_DETAILED + 3} runs: the best of each strategy" in read
        links = set(re.findall(r'href="#(run-\w+)"', text))
        assert links == set(re.findall(r'id="(run-\w+)"', text))

    def test_what_is_damaged_is_said(self, text):
        said = Text(text).text
        assert "broken 0 cannot be read in full" in said
        assert "record.json: not a record (" in said

    def test_names_with_html_are_text(self, text):
        read = Text(text)
        assert HOSTILE in read.text
        assert HOSTILE not in text
        assert "x" not in read.fetched

    def test_asks_for_nothing_outside(self, text):
        assert Text(text).fetched == []
        assert not re.search(r"@import|url\(", text)

    def test_trials_are_in_their_search_only(self, text):
        leaderboard = text.partition('id="runs-table"')[2].partition("</table>")[0]
        assert "quick-0001" not in leaderboard
        trials = Text(text.partition('id="trials-1"')[2].partition("</table>")[0]).text
        assert "0001 best finished 0.750 0.003 focal 2.0" in trials
        assert "0002 failed out of memory" in trials

    def test_strategies_are_compared_on_the_same_images(self, text):
        table = Text(text.partition('id="differences-1"')[2].partition("</table>")[0]).text
        assert re.search(r"b4_dice 2 0\.\d+ baseline", table)
        assert re.search(r"b4_focal 2 0\.\d+ [+−]0\.\d+ \[[+−]0\.\d+, [+−]0\.\d+\]", table)


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.html")), ids=lambda path: path.name)
class TestTemplates:
    def test_every_text_is_escaped_and_every_attribute_quoted(self, path):
        text = path.read_text("utf-8")
        assert not re.search(r"\|\s*safe\b|autoescape|<!--", text)
        assert re.findall(r"=\s*\{\{", text) == []
        assert not re.search(r"\son\w+=", text)

    def test_an_address_is_a_place_on_the_page_or_a_picture_in_it(self, path):
        addresses = re.findall(r"(?:href|src|action|srcdoc)=\"([^\"]*)", path.read_text("utf-8"))
        assert all(each.startswith(("#", "data:,")) or each in PICTURES for each in addresses)


class TestBaseline:
    def test_another_can_be_asked_for(self, tmp_path):
        root = all_sorts(tmp_path / "runs")
        assert '<option value="b4_focal" selected>b4_focal</option>' in page(
            root, baseline="b4_focal"
        )
        assert '<option value="b4_dice" selected>b4_dice</option>' in page(root)

    def test_one_that_is_not_there_is_refused(self, tmp_path):
        finished(tmp_path / "a" / "0", name="a")
        with pytest.raises(PageError, match="--baseline b: no such strategy here; here: a"):
            page(tmp_path, baseline="b")


def test_a_folder_without_runs_is_refused(tmp_path):
    with pytest.raises(PageError, match="no runs here"):
        page(tmp_path)


def test_a_search_alone_is_a_page(tmp_path):
    text = Text(page(quick_search(tmp_path / "quick" / "search"))).text
    assert "15 epochs in 5 min of 3 trials" in text
    assert f"{program()} run {tmp_path}/quick/search/best.yaml --runs {tmp_path}" in text


@pytest.mark.parametrize("trials", [[], None])
def test_a_search_without_scores_or_unreadable_is_a_page(tmp_path, trials):
    folder = quick_search(tmp_path / "quick" / "search")
    content = json.loads((folder / "search.json").read_text()) | {"trials": trials, "best": None}
    write_search(folder, {name: each for name, each in content.items() if name != "checksum"})
    wanted = "No trial has finished yet." if trials == [] else "It cannot be read"
    assert wanted in Text(page(folder)).text


@pytest.mark.parametrize(
    "name", ["image_scores.parquet", "evaluation.json", "epochs.jsonl", "spec.yaml"]
)
@pytest.mark.parametrize("content", [None, b"", b"\xff{", b"[]"])
def test_whatever_is_damaged_there_is_a_page(tmp_path, name, content):
    root = all_sorts(tmp_path / "runs")
    file = root / "b4_focal" / "1" / name
    file.unlink(missing_ok=True)
    if content is not None:
        file.write_bytes(content)
    assert "b4_dice" in Text(page(root)).text


def test_the_page_has_the_colours_of_the_palette(tmp_path):
    text = page(all_sorts(tmp_path / "runs"))
    light, dark = text.split("prefers-color-scheme: dark", 1)
    for scheme, block in ((palette.LIGHT, light), (palette.DARK, dark)):
        assert all(f"--{name}: {colour};" in block for name, colour in scheme.items())
    assert f"--c7: {palette.LIGHT_CHART[7]};" in light
    assert f"--c7: {palette.DARK_CHART[7]};" in dark
    assert all(f"--true{n}: {colour};" in light for n, colour in enumerate(palette.CLASS_COLOURS))
    assert ".c7 { --c: var(--c7); }" in text
    assert ".true31 { --c: var(--true31); }" in text


def test_the_wheel_holds_the_templates(tmp_path):
    root = Path(__file__).parents[2]
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, tmp_path)
    shutil.copytree(root / "steelexp" / "report", tmp_path / "steelexp" / "report")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    names = {f"steelexp/report/templates/{file.name}" for file in TEMPLATES.iterdir()}
    assert names <= set(zipfile.ZipFile(wheel).namelist())
