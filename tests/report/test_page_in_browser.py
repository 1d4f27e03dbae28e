"""The page in a real Chromium: what it asks for, what its controls do, how wide it is."""

import itertools
import os
import re
import shlex
import shutil

import pytest

from steelexp.report import selection
from steelexp.report.page import write_page
from tests.hostile_page import ATTACK, hostile_runs
from tests.page_folders import HOSTILE, STRATEGIES, all_sorts, thirty_runs

FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 60_000  # milliseconds; on a busy machine


def chromium():
    """Return the path of a browser, or None."""
    given = os.environ.get("STEELEXP_CHROMIUM")
    return given or next((path for name in NAMES if (path := shutil.which(name))), None)


@pytest.fixture(scope="module")
def browser():
    path = chromium()
    if path is None:
        wanted = os.environ.get("CI") or os.environ.get("STEELEXP_REQUIRE_BROWSER")
        say = pytest.fail if wanted else pytest.skip
        say("no Chromium here: make browser installs it, STEELEXP_CHROMIUM names one")
    from playwright.sync_api import sync_playwright

    root = ("--no-sandbox",) if os.geteuid() == 0 else ()
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=[*root, *FLAGS])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """The page of 30 runs."""
    return write_page(thirty_runs(tmp_path_factory.mktemp("thirty")))


@pytest.fixture(scope="module")
def sorts(tmp_path_factory):
    """The page of a folder with all sorts of runs and a search."""
    return write_page(all_sorts(tmp_path_factory.mktemp("sorts") / "runs"))


@pytest.fixture(scope="module")
def one(many):
    """The page of one run."""
    return write_page(many.parent / STRATEGIES[1] / "0")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """The page of runs whose every text attacks, and the texts as it has to show them."""
    root, texts = hostile_runs(tmp_path_factory.mktemp("hostile"))
    return write_page(root), texts


@pytest.fixture
def show(browser):
    """Open a page; fail at the end if it complained or asked for anything outside of itself."""
    contexts, faults = [], []

    def opened(path, *, width=1280, scheme="light"):
        context = browser.new_context(
            viewport={"width": width, "height": 844}, color_scheme=scheme, offline=False
        )
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: faults.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: faults.append(f"dialog: {dialog.message}"))
        address = path.as_uri()

        def allow(route):
            if route.request.url.partition("#")[0] == address:
                route.continue_()
            else:
                faults.append(f"asked for {route.request.url[:200]}")
                route.abort()

        page.route(lambda url: not url.startswith("data:"), allow)
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []


def column(page, number):
    """Return the texts of a column of the leaderboard, of the rows that are shown."""
    script = """number => [...document.querySelectorAll('#runs-table tbody tr')]
        .filter(row => !row.hidden).map(row => row.cells[number].innerText.trim())"""
    return page.evaluate(script, number)


class TestShow:
    def test_a_page_that_asks_for_something_is_noticed(self, browser, tmp_path):
        """Of the fixture itself: a picture from elsewhere, and a script that fails."""
        path = tmp_path / "a.html"
        path.write_text("<img src='http://127.0.0.1:9/x.png'><script>nothing()</script>")
        page, asked, errors = browser.new_page(), [], []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.route("**/*.png", lambda route: (asked.append(route.request.url), route.abort()))
        page.goto(path.as_uri())
        page.close()
        assert (len(asked), len(errors)) == (1, 1)


class TestLeaderboard:
    def test_a_head_sorts_and_says_so(self, show, many):
        page = show(many)
        head = page.locator("#runs-table th", has_text="dice_kaggle").first
        head.get_by_role("button").click()
        values = [float(text) for text in column(page, 2)]
        assert len(values) == 30
        assert values == sorted(values, reverse=True)
        assert head.get_attribute("aria-sort") == "descending"
        head.get_by_role("button").press("Enter")
        assert [float(text) for text in column(page, 2)] == sorted(values)
        assert page.locator("#runs-table [aria-sort]").count() == 1

    def test_runs_without_a_value_stay_last(self, show, sorts):
        page = show(sorts)
        button = page.locator("#runs-table th", has_text="dice_positive").get_by_role("button")
        for _ in range(2):
            button.click()
            values = column(page, 1)
            assert [text == "–" for text in values] == [False] * 6 + [True] * 2

    def test_words_filter(self, show, many):
        page = show(many)
        page.get_by_role("searchbox").first.fill("focal 2")
        assert [text.split()[0] for text in column(page, 0)] == ["focal"] * len(column(page, 0))
        assert 1 <= len(column(page, 0)) < 30
        page.get_by_role("searchbox").first.fill("no such run")
        assert column(page, 0) == []
        assert page.get_by_text("No run matches.").is_visible()
        assert page.locator("[data-count=runs-table]").inner_text() == "0 of 30"

    def test_the_first_rows_are_shown_until_all_are_asked_for(self, show, tmp_path, monkeypatch):
        monkeypatch.setattr(selection, "MOST_ROWS", 10)
        page = show(write_page(thirty_runs(tmp_path)))
        best = column(page, 2)
        assert len(best) == 10
        head = page.locator("#runs-table th", has_text="dice_kaggle").first
        head.get_by_role("button").click()
        head.get_by_role("button").click()
        worst = column(page, 2)
        assert len(worst) == 10
        assert worst != best
        page.locator("[data-filter=runs-table]").first.fill(STRATEGIES[1])
        few = column(page, 0)
        assert 0 < len(few) <= 10
        assert all(STRATEGIES[1] in name for name in few)
        page.locator("[data-filter=runs-table]").first.fill("")
        page.get_by_role("button", name="Show all rows").click()
        assert len(column(page, 2)) == 30
        assert page.get_by_role("button", name="Show all rows").is_hidden()

    def test_a_status_filters(self, show, sorts):
        page = show(sorts)
        page.get_by_label("Status").select_option("unfinished")
        assert len(column(page, 0)) == 1

    def test_a_link_opens_the_run(self, show, many):
        page = show(many)
        assert page.locator("details.run[open]").count() == 0
        page.locator("#runs-table tbody a").first.click()
        page.locator("details.run[open]").wait_for()  # fails unless it is exactly one


class TestStrategies:
    def test_another_baseline(self, show, many):
        page = show(many)
        shown = page.locator("#differences-1 tbody:visible")
        assert shown.get_attribute("data-base") == "dice"
        page.get_by_label("Baseline").select_option("focal")
        assert shown.get_attribute("data-base") == "focal"
        assert shown.locator("tr").count() == len(STRATEGIES)

    def test_one_strategy_alone(self, show, many):
        page = show(many)
        page.locator("[data-strategy=focal]").press("Enter")
        lit = page.locator("[data-compared] .plot").first.locator(".series.on")
        assert lit.get_attribute("data-name") == "focal"


class TestSideBySide:
    def test_shows_a_image_of_every_run_up_to_an_epoch(self, show, many):
        page = show(many)
        captions = page.locator("#overlays figcaption")
        assert captions.count() == 30
        assert {text.split()[-1] for text in captions.all_inner_texts()} == {"12"}
        page.get_by_label("Epoch up to").press("Home")
        assert {text.split()[-1] for text in captions.all_inner_texts()} <= {"1"}
        page.locator("#overlays select").select_option("image_1")
        assert "image image_1" in page.locator("#overlays img").first.get_attribute("alt")


class TestRun:
    def test_the_slider_changes_every_picture(self, show, one):
        page = show(one)
        slider = page.get_by_label("Epoch", exact=True)
        epochs = slider.get_attribute("data-epochs").split()
        assert len(epochs) == 12
        for key, expected in (("Home", epochs[0]), ("ArrowRight", epochs[1]), ("End", epochs[-1])):
            slider.press(key)
            shown = page.locator(".picture:visible")
            assert {shown.nth(n).get_attribute("data-epoch") for n in range(4)} == {expected}
            assert shown.count() == 4
            assert slider.get_attribute("aria-valuetext") == f"epoch {expected}"

    def test_a_picture_is_enlarged_and_put_back(self, show, one):
        page = show(one)
        page.locator(".picture:visible").first.press("Enter")
        large = page.get_by_role("dialog")
        assert large.is_visible()
        assert large.locator("img").evaluate("image => image.naturalWidth") == 480
        page.keyboard.press("Escape")
        assert not large.is_visible()

    def test_arrows_read_a_chart(self, show, one):
        page = show(one)
        chart = page.locator(".plot").first
        chart.focus()
        chart.press("ArrowRight")
        readout = page.locator(".readout").first
        assert re.fullmatch(
            r"epoch 1: training tiles (1\.00\d|0\.99\d), validation tiles 1\.(10\d|09\d)",
            readout.inner_text(),
        )
        chart.press("ArrowRight")
        assert "epoch 2: training tiles 0.5" in readout.inner_text()

    def test_the_command_is_copied_or_selected(self, show, one):
        page = show(one)
        page.evaluate("window.setTimeout = () => 0")  # the answer stays, however slow the machine
        page.get_by_role("button", name="Copy").click()
        answer = page.get_by_role("button", name=re.compile("Copied|Selected"))
        answer.wait_for()  # the clipboard answers later than the click
        assert answer.count() == 1


class TestSettings:
    def test_two_specs(self, show, many):
        page = show(many)
        for label, name in (("First", "dice 0"), ("Second", "focal 2")):
            page.get_by_label(label).select_option(label=name)
        rows = page.locator("#spec-table tbody tr")
        assert rows.all_inner_texts() == ["name\tdice\tfocal", "seed\t0\t2"]

    def test_the_same_twice(self, show, many):
        page = show(many)
        for label in ("First", "Second"):
            page.get_by_label(label).select_option(label="dice 0")
        assert page.get_by_text("These two specs are the same.").is_visible()


def test_names_with_html_are_shown_as_text(show, sorts):
    page = show(sorts)
    assert page.get_by_text(HOSTILE).first.is_visible()
    assert page.evaluate("window.hacked") is None
    assert page.locator("img[src=x]").count() == 0


class TestHostileTexts:
    """Text of others in every field: it is read, and nothing of it runs."""

    def use(self, page):
        """Operate every control, so that scripts put texts into the page again."""
        page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
        page.evaluate(
            """for (const each of document.querySelectorAll('select, input')) {
                if (each.tagName === 'SELECT') each.selectedIndex = each.options.length - 1;
                else if (each.type === 'range') each.value = each.max;
                for (const kind of ['input', 'change']) each.dispatchEvent(new Event(kind));
            }"""
        )
        page.evaluate(
            """for (const plot of document.querySelectorAll('.plot')) plot.dispatchEvent(
                new KeyboardEvent('keydown', {key: 'ArrowRight'}))"""
        )
        page.evaluate("for (const each of document.querySelectorAll('th button')) each.click()")
        page.locator(".picture:visible").first.press("Enter")
        page.keyboard.press("Escape")

    def unharmed(self, page):
        assert page.evaluate("window.hacked") is None
        assert (
            page.locator("iframe, a[href^=javascript], body svg[onload], img[src=x]").count() == 0
        )
        assert page.locator("script:not([type])").count() == 1
        links = "[...document.querySelectorAll('[href]')].map(each => each.getAttribute('href'))"
        assert all(link.startswith(("#", "data:,")) for link in page.evaluate(links))

    def test_are_shown_as_they_are(self, show, hostile):
        path, texts = hostile
        page = show(path)
        self.use(page)
        read = page.evaluate("document.body.textContent")
        assert len(texts) >= 26
        assert {text for text in texts if text not in read} == set()
        assert "49" not in page.evaluate("document.title")
        assert "Left out" not in read
        assert not set("\x1b\u202e") & set(page.content())
        self.unharmed(page)

    def test_also_without_the_policy(self, show, hostile, tmp_path):
        """The policy forbids every script but the page's; without it nothing runs either."""
        text, count = re.subn(r"<meta http-equiv=[^>]*>", "", hostile[0].read_text("utf-8"))
        assert count == 1
        (tmp_path / "open.html").write_text(text, "utf-8")
        page = show(tmp_path / "open.html")
        self.use(page)
        self.unharmed(page)

    def test_the_policy_stops_what_would_not_be_escaped(self, browser, hostile, tmp_path):
        text = hostile[0].read_text("utf-8").replace("<main", f"{ATTACK} --><main", 1)
        (tmp_path / "attacked.html").write_text(text, "utf-8")
        page, complaints = browser.new_page(), []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.goto((tmp_path / "attacked.html").as_uri())
        assert page.evaluate("window.hacked") is None
        assert page.evaluate("document.documentElement.classList.contains('scripted')")
        page.close()
        assert any("Content Security Policy" in text for text in complaints)
        assert not any(text.startswith("dialog") for text in complaints)

    def test_of_one_run(self, show, hostile):
        path, _ = hostile
        page = show(write_page(path.parent / "b4_dice" / "0"))
        self.use(page)
        assert page.locator("p.question").inner_text().startswith("question:\"'></style></title>")
        self.unharmed(page)

    def test_stay_within_a_phone(self, show, hostile):
        page = show(hostile[0], width=390)
        self.use(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390

    def test_the_commands_are_pasted_as_one_line_each(self, show, hostile):
        page = show(hostile[0])
        command = page.locator("pre[id^=again]").first.evaluate("each => each.textContent")
        lines = command.splitlines()
        assert [line.split()[:2] for line in lines[:2]] == [["git", "checkout"], ["git", "apply"]]
        assert len(lines) == 3
        assert len(shlex.split(lines[1])) == 3


def test_a_searchs_trials_are_sorted_and_filtered(show, sorts):
    page = show(sorts)
    rows = page.locator("#trials-1 tbody tr")
    page.locator("#trials-1 th", has_text="val_dice_positive").get_by_role("button").click()
    assert [text[:4] for text in rows.all_inner_texts()] == ["0001", "0000", "0002"]
    chart = page.get_by_role("img", name="Score by loss.name")
    chart.press("ArrowRight")
    readout = page.locator(".chart", has=chart).locator(".readout")
    assert readout.inner_text().startswith("loss.name dice: each trial 0.5")
    page.locator("[data-filter=trials-1]").fill("failed")
    assert page.locator("#trials-1 tbody tr:visible").count() == 1


def test_thirty_runs_are_below_5_mb(many):
    """The pictures' room is used, so that this is what it promises at its largest."""
    assert 3_000_000 < many.stat().st_size < 5_000_000


@pytest.mark.parametrize("name", ["many", "sorts", "one"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_down_only(show, request, name, scheme):
    page = show(request.getfixturevalue(name), width=390, scheme=scheme)
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("name", ["sorts", "one"])
def test_a_screen_reader_finds_its_way(show, request, name):
    """Everything that can be operated or seen has a name; headings leave out no level."""
    page = show(request.getfixturevalue(name))
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    nameless = """[...document.querySelectorAll('button, input, select, img, svg, [role=region]')]
        .filter(each => each.closest('[aria-hidden]') === null && !each.closest('dialog'))
        .filter(each => !(each.labels && each.labels.length) && !each.alt && !each.ariaLabel
            && !each.getAttribute('aria-labelledby') && !each.textContent.trim()
            && !each.querySelector('img[alt]'))
        .map(each => each.outerHTML.slice(0, 80))"""
    assert page.evaluate(nameless) == []
    levels = "[...document.querySelectorAll('h1, h2, h3, h4')].map(each => +each.tagName[1])"
    found = page.evaluate(levels)
    assert found[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(found))
