import json
import os

import pytest

from steelexp.checksum import hash_bytes
from steelexp.errors import UserError
from steelexp.inference.defects import Defect
from steelexp.inference.image_files import ImageFile
from steelexp.inference.journal import Entry, PredictionJournal

DEFECT = Defect("1", 1, 4, 2, 1, 4, 1, 4.0, 1.5, 4.0, 1.0, 0.0, 0.625, 1.0)


def image(folder, name, content=b"x"):
    (folder / name).write_bytes(content)
    return ImageFile(name, folder / name)


def entry(image, runs=None):
    content = hash_bytes(image.path.read_bytes())
    return Entry(image.name, str(image.path), content, (3, 6), runs or {}, [DEFECT])


def test_what_is_appended_is_read_by_the_next_session(tmp_path):
    first, second = (image(tmp_path, name) for name in ("é.png", "b.png"))
    journal = PredictionJournal(tmp_path / "journal.jsonl", "id")
    journal.append(entry(second, {"1": "3 4"}))
    journal.append(entry(first))
    again = PredictionJournal(tmp_path / "journal.jsonl", "id")
    assert again.names() == {"é.png", "b.png"}
    for each in (journal, again):
        assert list(each.entries([first, second])) == [entry(first), entry(second, {"1": "3 4"})]


def test_an_image_remains_until_it_is_predicted_and_when_its_content_changes(tmp_path):
    image_file = image(tmp_path, "a.png")
    journal = PredictionJournal(tmp_path / "journal.jsonl", "id")
    assert journal.remaining([image_file]) == [image_file]
    journal.append(entry(image_file))
    assert journal.remaining([image_file]) == []
    before = image_file.path.stat()
    image(tmp_path, "a.png", b"y")  # the same size
    os.utime(image_file.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert journal.remaining([image_file]) == [image_file]
    image_file.path.unlink()
    assert journal.remaining([image_file]) == [image_file]


def test_an_unreadable_image_remains_once_it_is_there(tmp_path):
    missing = ImageFile("a.png", tmp_path / "a.png")
    journal = PredictionJournal(tmp_path / "journal.jsonl", "id")
    journal.append(Entry("a.png", str(missing.path), None, None, {}, [], "no such file"))
    assert journal.remaining([missing]) == []
    assert journal.remaining([image(tmp_path, "a.png")]) == [missing]


def test_images_in_a_moved_folder_are_predicted_already(tmp_path):
    (tmp_path / "line1").mkdir()
    first = image(tmp_path / "line1", "a.png")
    journal = PredictionJournal(tmp_path / "journal.jsonl", "id")
    journal.append(entry(first))
    (tmp_path / "line1").rename(tmp_path / "moved")
    moved = ImageFile("a.png", tmp_path / "moved" / "a.png")
    assert journal.remaining([moved]) == []
    assert [each.path for each in journal.entries([moved])] == [str(moved.path)]


def test_the_last_of_two_lines_counts(tmp_path):
    twice = image(tmp_path, "a.png")
    journal = PredictionJournal(tmp_path / "journal.jsonl", "id")
    journal.append(entry(twice, {"1": "1 1"}))
    journal.append(entry(twice, {"1": "2 2"}))
    again = PredictionJournal(tmp_path / "journal.jsonl", "id")
    assert [each.runs for each in again.entries([twice])] == [{"1": "2 2"}]


def test_wherever_a_kill_tears_the_last_line_the_others_are_kept(tmp_path):
    first, second = (image(tmp_path, name) for name in ("a.png", "b.png"))
    file = tmp_path / "journal.jsonl"
    journal = PredictionJournal(file, "id")
    journal.append(entry(first))
    whole = file.read_bytes()
    journal.append(entry(second))
    ends = [len(whole) + 1, len(whole) + 9, len(file.read_bytes()) - 1]
    for end in ends:
        torn = tmp_path / "torn.jsonl"
        torn.write_bytes(file.read_bytes()[:end])
        again = PredictionJournal(torn, "id")
        assert again.names() == {"a.png"}
        again.append(entry(second))
        for each in (again, PredictionJournal(torn, "id")):
            assert list(each.entries([first, second])) == [entry(first), entry(second)]


@pytest.mark.parametrize("line", ["nonsense", "{}", "[1]"])
def test_a_whole_line_that_is_no_entry_is_damage(tmp_path, line):
    file = tmp_path / "journal.jsonl"
    PredictionJournal(file, "id").append(entry(image(tmp_path, "a.png")))
    with file.open("a") as stream:
        stream.write(f"{line}\n")
    with pytest.raises(UserError, match=r"journal\.jsonl:2: not an image's prediction"):
        PredictionJournal(file, "id")


def test_a_journal_that_is_changed_meanwhile_is_said(tmp_path):
    image_file = image(tmp_path, "a.png")
    file = tmp_path / "journal.jsonl"
    journal = PredictionJournal(file, "id")
    journal.append(entry(image_file))
    file.write_text(json.dumps("other") + "\n")
    with pytest.raises(
        UserError, match=r"journal\.jsonl:1: not an image's prediction .*; begin anew with --fresh"
    ):
        list(journal.entries([image_file]))
