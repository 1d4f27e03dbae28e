import json

import pytest

from steelexp.errors import UserError
from steelexp.inference.defects import Defect
from steelexp.inference.image_files import ImageFile
from steelexp.inference.journal import Entry, PredictionJournal

DEFECT = Defect("1", 1, 4, 2, 1, 4, 1, 4.0, 1.5, 4.0, 1.0, 0.0, 0.625, 1.0)


def image(folder, name, content=b"x"):
    (folder / name).write_bytes(content)
    return ImageFile(name, folder / name)


def entry(image, runs=None):
    return Entry(image.name, str(image.path), image.state, (3, 6), runs or {}, [DEFECT])


def test_what_is_appended_is_read_by_the_next_session(tmp_path):
    first, second = (image(tmp_path, name) for name in ("é.png", "b.png"))
    journal = PredictionJournal(tmp_path / "journal.jsonl")
    journal.append(entry(second, {"1": "3 4"}))
    journal.append(entry(first))
    again = PredictionJournal(tmp_path / "journal.jsonl")
    assert again.names() == {"é.png", "b.png"}
    for each in (journal, again):
        assert list(each.entries([first, second])) == [entry(first), entry(second, {"1": "3 4"})]


def test_an_image_is_held_until_its_file_changes(tmp_path):
    image_file = image(tmp_path, "a.png")
    journal = PredictionJournal(tmp_path / "journal.jsonl")
    assert not journal.holds(image_file)
    journal.append(entry(image_file))
    assert journal.holds(image_file)
    image(tmp_path, "a.png", b"longer")
    assert not journal.holds(image_file)
    image_file.path.unlink()
    assert not journal.holds(image_file)


def test_the_last_of_two_lines_counts(tmp_path):
    twice = image(tmp_path, "a.png")
    journal = PredictionJournal(tmp_path / "journal.jsonl")
    journal.append(entry(twice, {"1": "1 1"}))
    journal.append(entry(twice, {"1": "2 2"}))
    again = PredictionJournal(tmp_path / "journal.jsonl")
    assert [each.runs for each in again.entries([twice])] == [{"1": "2 2"}]


def test_wherever_a_kill_tears_the_last_line_the_others_are_kept(tmp_path):
    first, second = (image(tmp_path, name) for name in ("a.png", "b.png"))
    file = tmp_path / "journal.jsonl"
    journal = PredictionJournal(file)
    journal.append(entry(first))
    whole = file.read_bytes()
    journal.append(entry(second))
    ends = [len(whole) + 1, len(whole) + 9, len(file.read_bytes()) - 1]
    for end in ends:
        torn = tmp_path / "torn.jsonl"
        torn.write_bytes(file.read_bytes()[:end])
        again = PredictionJournal(torn)
        assert again.names() == {"a.png"}
        again.append(entry(second))
        for each in (again, PredictionJournal(torn)):
            assert list(each.entries([first, second])) == [entry(first), entry(second)]


@pytest.mark.parametrize("line", ["nonsense", "{}", "[1]"])
def test_a_whole_line_that_is_no_entry_is_damage(tmp_path, line):
    file = tmp_path / "journal.jsonl"
    PredictionJournal(file).append(entry(image(tmp_path, "a.png")))
    with file.open("a") as stream:
        stream.write(f"{line}\n")
    with pytest.raises(UserError, match=r"journal\.jsonl:2: not an image's prediction"):
        PredictionJournal(file)


def test_a_journal_that_is_changed_meanwhile_is_said(tmp_path):
    image_file = image(tmp_path, "a.png")
    file = tmp_path / "journal.jsonl"
    journal = PredictionJournal(file)
    journal.append(entry(image_file))
    file.write_text(json.dumps("other") + "\n")
    with pytest.raises(
        UserError, match=r"journal\.jsonl:1: not an image's prediction .*; begin anew with --fresh"
    ):
        list(journal.entries([image_file]))
