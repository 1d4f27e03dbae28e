import socket
import sys
from itertools import pairwise

import pytest

from steelexp.data.dataset import DataError
from steelexp.data.kaggle import archive as kaggle_archive
from steelexp.data.kaggle.archive import Archive, BrokenOffError, download, locate
from tests.kaggle_server import kaggle_server

BLOCK = kaggle_archive._BLOCK_SIZE
CONTENT = bytes(range(256)) * 2000


@pytest.fixture
def server():
    with kaggle_server(CONTENT) as running:
        yield running


@pytest.fixture
def waits(monkeypatch):
    """The waits between attempts, which are not waited for."""
    seconds = []
    monkeypatch.setattr(kaggle_archive.time, "sleep", seconds.append)
    return seconds


def fetch(server, folder):
    reported = []
    file = download(server.archive(), folder, renew=server.archive, report=reported.append)
    assert file.read_bytes() == server.content
    assert all(before < after for before, after in pairwise(reported))
    return reported


class TestDownload:
    def test_in_one_go(self, server, tmp_path):
        assert fetch(server, tmp_path)[-1] == len(CONTENT)
        assert server.starts == [0]

    def test_what_is_there_is_not_asked_for(self, server, tmp_path):
        fetch(server, tmp_path)
        fetch(server, tmp_path)
        assert server.starts == [0]
        assert server.sent == len(CONTENT)

    def test_breaks_are_taken_up_where_they_were(self, server, tmp_path, waits):
        server.breaks = [2 * BLOCK, BLOCK, 2 * BLOCK - 1]
        fetch(server, tmp_path)
        assert server.starts == [0, 2 * BLOCK, 3 * BLOCK, 4 * BLOCK]
        assert waits == [1.0, 1.0, 1.0]
        assert server.given == 4  # an address for each attempt

    def test_a_connection_that_gives_nothing_any_more(self, server, tmp_path, waits):
        server.breaks = [BLOCK, 0, 0, 0, 0, 0]
        with pytest.raises(
            DataError, match="the received part is kept and the same command resumes"
        ):
            fetch(server, tmp_path)
        assert waits == [1.0, 4.0, 15.0, 60.0]
        server.breaks = []
        fetch(server, tmp_path)
        assert server.starts[-1] == BLOCK

    def test_a_first_connection_that_does_not_stand(self, server, tmp_path, waits):
        server.expired = 1
        with pytest.raises(DataError, match=r"127\.0\.0\.1 refuses the archive \(403\)"):
            fetch(server, tmp_path)
        assert waits == []

    def test_an_address_that_expires_on_the_way(self, server, tmp_path, waits):
        server.breaks = [BLOCK]

        def renew():
            server.expired = 2
            return server.archive()

        download(server.archive(), tmp_path, renew=renew, report=lambda received: None)
        assert server.starts == [0, BLOCK]
        assert waits == [1.0, 4.0]  # the second address was refused

    def test_another_archive_is_begun_anew(self, server, tmp_path, waits):
        server.breaks = [BLOCK, 0, 0, 0, 0, 0]
        with pytest.raises(DataError):
            fetch(server, tmp_path)
        server.content, server.version, server.breaks = CONTENT[::-1], '"v2"', []
        fetch(server, tmp_path)
        assert server.starts[-1] == 0

    def test_an_archive_that_changes_on_the_way_is_not_stitched(self, server, tmp_path, waits):
        server.breaks = [BLOCK]

        def renew():
            server.content, server.version = CONTENT[::-1], '"v2"'
            return server.archive()

        file = download(server.archive(), tmp_path, renew=renew, report=lambda received: None)
        assert file.read_bytes() == CONTENT[::-1]

    def test_a_refusal_on_the_way_is_not_repeated(self, server, tmp_path, waits):
        server.breaks = [BLOCK]

        def renew():
            raise DataError("rules")

        with pytest.raises(DataError, match=r"^rules$"):
            download(server.archive(), tmp_path, renew=renew, report=lambda received: None)
        assert waits == [1.0]


@pytest.fixture
def sdk(server, monkeypatch, tmp_path):
    """Lead Kaggle's SDK to the server, with no token but the test's own."""
    pytest.importorskip("kagglesdk", reason="needs the extra kaggle")
    for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY", "KAGGLE_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_KERNEL_RUN_TYPE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    monkeypatch.setenv("http_proxy", server.url)
    (tmp_path / ".kaggle").mkdir()
    return tmp_path / ".kaggle"


def test_without_the_sdk(monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglesdk", None)
    monkeypatch.setitem(sys.modules, "kagglesdk.kaggle_env", None)
    with pytest.raises(DataError, match=r"-m pip install 'steelexp\[kaggle\]'"):
        locate("steel")


class TestLocate:
    def test_the_archive(self, sdk, server, monkeypatch, tmp_path):
        monkeypatch.setenv("KAGGLE_API_TOKEN", "secret")
        archive = locate("steel")
        assert archive == Archive(f"{server.url}/archive.zip?signed=1", len(CONTENT), '"v1"')
        assert server.wanted == ["steel"]
        assert server.logins == ["Bearer secret"]
        assert server.sent == 0
        download(archive, tmp_path, renew=server.archive, report=lambda received: None)

    def test_a_token_in_a_file(self, sdk, server):
        (sdk / "access_token").write_text("secret\n")
        locate("steel")
        assert server.logins == ["Bearer secret"]

    @pytest.mark.parametrize("place", ["file", "environment"])
    def test_a_key_of_the_older_kind(self, sdk, server, monkeypatch, place):
        if place == "file":
            (sdk / "kaggle.json").write_text('{"username": "me", "key": "secret"}')
        else:
            monkeypatch.setenv("KAGGLE_USERNAME", "me")
            monkeypatch.setenv("KAGGLE_KEY", "secret")
        locate("steel")
        assert server.logins == ["Basic bWU6c2VjcmV0"]

    def test_no_token(self, sdk, server):
        with pytest.raises(DataError) as refused:
            locate("steel")
        assert str(refused.value) == (
            "there is no Kaggle API token; make one at https://www.kaggle.com/settings/api and "
            "put it into KAGGLE_API_TOKEN, ~/.kaggle/access_token or ~/.kaggle/kaggle.json"
        )
        assert server.logins == []

    REFUSALS = (
        (401, "make a new one at https://www.kaggle.com/settings/api and put it into KAGGLE_API"),
        (403, "accept the competition's rules at https://www.kaggle.com/c/steel/rules with the"),
        (404, "see whether https://www.kaggle.com/c/steel/data opens in a browser"),
        (429, "try again later"),
        (503, "try again later"),
    )

    @pytest.mark.parametrize(("status", "way_out"), REFUSALS)
    def test_a_refusal_says_what_to_do(self, sdk, server, monkeypatch, status, way_out):
        monkeypatch.setenv("KAGGLE_API_TOKEN", "secret")
        server.refusing = (status, "You must accept")
        with pytest.raises(DataError) as refused:
            locate("steel")
        message = str(refused.value)
        assert message.startswith(f"Kaggle refuses the download ({status}: You must accept): ")
        assert way_out in message
        assert ("phone number" in message) == (status == 403)
        assert "secret" not in message

    def test_a_signed_address_is_not_shown(self, sdk, server, monkeypatch):
        monkeypatch.setenv("KAGGLE_API_TOKEN", "secret")
        server.expired = 1  # the address that Kaggle gives is refused where it leads
        with pytest.raises(DataError, match=r"\(403: 403 Client Error: Forbidden\): "):
            locate("steel")

    def test_no_network(self, sdk, monkeypatch):
        monkeypatch.setenv("KAGGLE_API_TOKEN", "secret")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free.getsockname()[1]}")
            with pytest.raises(BrokenOffError) as refused:
                locate("steel")
        assert str(refused.value) == (
            "Kaggle does not answer (Connection refused); check the network"
        )

    def test_an_archive_without_a_size(self, sdk, server, monkeypatch):
        monkeypatch.setenv("KAGGLE_API_TOKEN", "secret")
        server.content = b""
        with pytest.raises(DataError, match="Kaggle gives no archive of steel"):
            locate("steel")
