import io
import random
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from steelexp.__main__ import main
from steelexp.command_line import install_line
from steelexp.data.dataset import DataError
from steelexp.data.kaggle import fetch as fetching
from steelexp.data.kaggle.fetch import SEVERSTAL, ExpectedContent, blob_id, differences, fetch
from tests.kaggle_server import kaggle_server

# Six strips, three of them with four masks in all.
TABLE = b"ImageId,ClassId,EncodedPixels\n" + b"".join(
    b"%d.jpg,%d,1 2\n" % row for row in [(0, 1), (0, 3), (2, 3), (4, 2)]
)
IMAGES = {f"{n}.jpg": bytes([n]) * 60_000 for n in range(6)}
PUBLISHED = ExpectedContent(6, 4, 3, "e99ed71bc4e9a911da3d75c880c176a9b0582f67")


def archive_of(table=TABLE, images=IMAGES):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("train.csv", table)
        for name, content in images.items():
            file.writestr(f"train_images/{name}", content)
        file.writestr("test_images/t.jpg", b"t")
    return packed.getvalue()


@pytest.fixture
def server():
    with kaggle_server(archive_of()) as running:
        yield running


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data" / "severstal"


def beside(folder):
    return folder.with_name("severstal.fetching")


def check_whole(folder):
    assert differences(folder, PUBLISHED) == []
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
    assert files == {f"train_images/{name}" for name in IMAGES} | {"train.csv", "test_images/t.jpg"}
    assert (folder / "train_images" / "3.jpg").read_bytes() == IMAGES["3.jpg"]
    assert [path.name for path in folder.parent.iterdir()] == ["severstal"]


def test_the_blob_id_is_gits(tmp_path):
    assert blob_id(b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    assert blob_id(b"test content\n") == "d670460b4b4aece5915caf5c68d12f560a9fe3e4"


def test_the_published_set():
    blob = "93c7bb63fce4b5be5c91c9fcb4462ccdf953658f"
    assert ExpectedContent(strips=12568, rows=7095, labelled=6666, blob=blob) == SEVERSTAL


class TestFetch:
    def test_into_a_new_folder(self, server, folder, capsys):
        fetch(folder, PUBLISHED, server.archive)
        check_whole(folder)
        output = capsys.readouterr().out.splitlines()
        assert output[-1] == f"{folder}: 6 strips, 4 masks, verified"
        assert server.sent == len(server.content)

    def test_it_says_first_what_it_needs(self, folder, capsys):
        def raise_if():
            raise DataError("refused")

        with pytest.raises(DataError, match="refused"):
            fetch(folder, PUBLISHED, raise_if)
        output = capsys.readouterr().out
        for need in (
            "https://www.kaggle.com/c/severstal-steel-defect-detection/rules",
            "https://www.kaggle.com/settings/api",
            "about 3.4 GB of disk",
            str(beside(folder)),
        ):
            assert need in output
        assert not folder.parent.exists()  # nothing is written before Kaggle has agreed

    def test_into_an_empty_folder(self, server, folder):
        folder.mkdir(parents=True)
        fetch(folder, PUBLISHED, server.archive)
        check_whole(folder)

    def test_a_verified_set_is_left_alone(self, server, folder, capsys):
        fetch(folder, PUBLISHED, server.archive)
        (folder / "notes.txt").write_text("mine")
        capsys.readouterr()
        fetch(folder, PUBLISHED, lambda: pytest.fail("Kaggle was asked"))
        assert (folder / "notes.txt").is_file()
        assert capsys.readouterr().out == f"{folder}: 6 strips, 4 masks, verified\n"

    def test_an_older_unpacking_is_not_mixed_in(self, server, folder):
        (beside(folder) / "unpacked").mkdir(parents=True)
        (beside(folder) / "unpacked" / "old.jpg").write_bytes(b"1")
        fetch(folder, PUBLISHED, server.archive)
        check_whole(folder)

    def test_what_a_kill_after_the_last_step_leaves_is_removed(self, server, folder):
        fetch(folder, PUBLISHED, server.archive)
        beside(folder).mkdir()
        (beside(folder) / "abc.zip").write_bytes(b"1")
        fetch(folder, PUBLISHED, lambda: pytest.fail("Kaggle was asked"))
        check_whole(folder)

    def test_a_folder_of_something_else_is_left_alone(self, server, folder):
        folder.mkdir(parents=True)
        (folder / "mine.txt").write_text("mine")
        with pytest.raises(DataError, match="move it away or name another folder"):
            fetch(folder, PUBLISHED, server.archive)
        assert [path.name for path in folder.iterdir()] == ["mine.txt"]
        assert server.given == 0

    def test_a_file_in_the_way(self, folder):
        folder.parent.mkdir(parents=True)
        folder.write_text("mine")
        with pytest.raises(DataError, match="move it away or name another folder"):
            fetch(folder, PUBLISHED, lambda: pytest.fail("Kaggle was asked"))

    def test_a_folder_that_cannot_be_written(self, server, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(DataError, match="Not a directory; fix that, or name another folder"):
            fetch(tmp_path / "file" / "severstal", PUBLISHED, server.archive)

    def test_two_at_once(self, server, folder):
        with (
            fetching._lock(beside(folder)),
            pytest.raises(DataError, match="another process is fetching"),
        ):
            fetch(folder, PUBLISHED, server.archive)
        fetch(folder, PUBLISHED, server.archive)
        check_whole(folder)


class TestRoom:
    @pytest.fixture
    def disk(self, monkeypatch):
        free = [0]
        usage = shutil.disk_usage("/")
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=free[0]))
        return free

    def test_too_little_for_archive_and_images(self, server, folder, disk):
        disk[0] = 2 * len(server.content) - 1
        with pytest.raises(DataError, match=r"0\.0 GB of disk are needed and 0\.0 GB are free"):
            fetch(folder, PUBLISHED, server.archive)
        assert server.sent == 0
        disk[0] += 1
        fetch(folder, PUBLISHED, server.archive)
        check_whole(folder)

    def test_what_is_there_needs_no_room(self, server, folder, disk):
        beside(folder).mkdir(parents=True)
        (beside(folder) / server.archive().file_name).write_bytes(server.content[:100])
        disk[0] = 2 * len(server.content) - 100
        fetch(folder, PUBLISHED, server.archive)
        check_whole(folder)
        assert server.starts == [100]

    def test_an_archive_that_grows_when_unpacked(self, folder, disk):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("train.csv", bytes(random.Random(0).choices(b"0123456789", k=10**6)))
        with kaggle_server(packed.getvalue()) as server:
            disk[0] = 10**6 - 1
            with pytest.raises(DataError, match="of disk are needed"):
                fetch(folder, PUBLISHED, server.archive)
        assert not (beside(folder) / "unpacked").exists()


class TestWhatKaggleSends:
    def test_a_damaged_archive_is_removed(self, server, folder):
        good = server.content
        server.content = good[:90_000] + b"?" + good[90_001:]
        with pytest.raises(
            DataError, match=r"damaged in the download .* type the same command again"
        ):
            fetch(folder, PUBLISHED, server.archive)
        assert not folder.exists()
        server.content = good
        fetch(folder, PUBLISHED, server.archive)
        check_whole(folder)

    def test_no_archive_at_all(self, server, folder):
        server.content = b"<html>sign in</html>"
        with pytest.raises(DataError, match="damaged in the download"):
            fetch(folder, PUBLISHED, server.archive)
        assert not folder.exists()

    def test_another_data_set(self, server, folder):
        server.content = archive_of(table=TABLE[:-1] + b"3\n")
        with pytest.raises(DataError) as refused:
            fetch(folder, PUBLISHED, server.archive)
        output = str(refused.value).splitlines()
        assert output[0] == "the archive from Kaggle is not the published data set:"
        assert "git blob" in output[1]
        assert output[2].startswith(f"it is kept in {beside(folder) / 'unpacked'}; remove ")
        assert not folder.exists()


class TestDifferences:
    @pytest.fixture
    def whole(self, tmp_path):
        zipfile.ZipFile(io.BytesIO(archive_of())).extractall(tmp_path)
        return tmp_path

    def test_none(self, whole):
        assert differences(whole, PUBLISHED) == []

    def test_a_lost_image(self, whole):
        (whole / "train_images" / "5.jpg").unlink()
        assert differences(whole, PUBLISHED) == [f"{whole / 'train_images'}: 5 images, not 6"]

    def test_a_lost_image_of_the_table(self, whole):
        (whole / "train_images" / "4.jpg").rename(whole / "train_images" / "x.jpg")
        assert differences(whole, PUBLISHED) == [
            f"{whole / 'train_images'}: 1 images of train.csv are missing, first 4.jpg"
        ]

    def test_an_image_too_many(self, whole):
        (whole / "train_images" / "x.jpg").write_bytes(b"")
        assert differences(whole, PUBLISHED) == [f"{whole / 'train_images'}: 7 images, not 6"]

    def test_no_table(self, whole):
        (whole / "train.csv").unlink()
        assert differences(whole, PUBLISHED) == [f"{whole / 'train.csv'}: missing"]

    def test_another_row(self, whole):
        table = TABLE + b"5.jpg,1,1 2\n"
        (whole / "train.csv").write_bytes(table)
        assert differences(whole, PUBLISHED) == [
            f"{whole / 'train.csv'}: 5 rows of 4 images, not 4 of 3",
            f"{whole / 'train.csv'}: git blob {blob_id(table)}, not {PUBLISHED.blob}",
        ]

    def test_another_mask(self, whole):
        table = TABLE.replace(b"1 2\n", b"1 3\n", 1)
        (whole / "train.csv").write_bytes(table)
        assert differences(whole, PUBLISHED) == [
            f"{whole / 'train.csv'}: git blob {blob_id(table)}, not {PUBLISHED.blob}"
        ]

    def test_nothing_there(self, tmp_path):
        assert len(differences(tmp_path / "none", PUBLISHED)) == 2


class Killed(BaseException):
    """Stands for a kill: nothing in the package catches it."""


STEPS = [
    *((zipfile.ZipFile, "extract", nth) for nth in range(8)),
    (fetching, "differences", 0),
    (Path, "replace", 0),
    (shutil, "rmtree", 0),
    (shutil, "rmtree", 1),
]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("owner", "name", "nth"), STEPS)
def test_a_kill_at_any_step(server, folder, monkeypatch, owner, name, nth, after):
    real, calls = getattr(owner, name), []

    def step(*arguments, **settings):
        calls.append(name)
        if len(calls) == nth + 1 and not after:
            raise Killed
        result = real(*arguments, **settings)
        if len(calls) == nth + 1:
            raise Killed
        return result

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, step)
        with pytest.raises(Killed):
            fetch(folder, PUBLISHED, server.archive)
    assert not folder.exists() or differences(folder, PUBLISHED) == []
    fetch(folder, PUBLISHED, server.archive)
    check_whole(folder)
    assert server.sent == len(server.content)  # nothing was downloaded twice


SCRIPT = """
import sys
from pathlib import Path
from steelexp.data.kaggle.fetch import ExpectedContent, fetch
from steelexp.data.kaggle.archive import Archive
folder, url, size, version, *published = sys.argv[1:]
expected = ExpectedContent(*map(int, published[:3]), published[3])
fetch(Path(folder), expected, lambda: Archive(url, int(size), version))
"""


def test_a_real_kill_while_downloading(server, folder):
    server.pause = 0.01
    where = server.archive()
    content = [str(value) for value in vars(PUBLISHED).values()]
    words = [str(folder), where.url, str(where.size), where.version, *content]
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, *words])
    partial = beside(folder) / where.file_name
    deadline = time.monotonic() + 60
    while not partial.is_file() or partial.stat().st_size < 1 << 16:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    process.wait()
    arrived = partial.stat().st_size
    assert arrived < where.size
    server.pause = 0.0
    fetch(folder, PUBLISHED, server.archive)
    check_whole(folder)
    assert server.starts == [0, arrived]


class TestCommand:
    def test_the_folder_and_the_extra(self, monkeypatch, tmp_path, capsys):
        monkeypatch.chdir(tmp_path)
        for name in ("kagglesdk", "kagglesdk.kaggle_env"):
            monkeypatch.setitem(sys.modules, name, None)
        assert main(["data", "fetch"]) == 2
        out, err = capsys.readouterr()
        assert "from Kaggle into data/severstal. This needs" in out
        assert err == f"steelexp: Kaggle's SDK is missing: {install_line('kaggle')}\n"
        assert list(tmp_path.iterdir()) == []

    def test_with_the_sdk(self, server, folder, monkeypatch, capsys):
        pytest.importorskip("kagglesdk", reason="needs the extra kaggle")
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
        monkeypatch.setenv("http_proxy", server.url)
        monkeypatch.setenv("KAGGLE_API_TOKEN", "secret")
        server.refusing = (403, "You must accept this competition's rules")
        assert main(["data", "fetch", str(folder)]) == 2
        output = capsys.readouterr().err
        assert (
            "accept the competition's rules at https://www.kaggle.com/c/severstal-steel" in output
        )
        assert server.wanted == ["severstal-steel-defect-detection"]
        server.refusing = None
        fetch(folder, PUBLISHED)
        check_whole(folder)
