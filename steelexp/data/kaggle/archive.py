"""A competition's archive at Kaggle: where it lies, and a download that goes on after a break.

Kaggle's SDK asks for the archive with the user's token and is led to a signed address; from there
plain HTTP ranges do. The SDK is the part of Kaggle's client that does this. The whole client
brings some twenty more packages, logs in and prints when it is imported, and waits for its first
connection without end.
"""

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from steelexp import __version__
from steelexp.data.dataset import DataError

TOKENS_PAGE = "https://www.kaggle.com/settings/api"
TOKEN_PLACES = "KAGGLE_API_TOKEN, ~/.kaggle/access_token or ~/.kaggle/kaggle.json"
AGAIN = "the same command goes on from there"

_PATIENCE = (10.0, 60.0)  # seconds until a connection stands, and between two blocks
_WAITS = (1.0, 4.0, 15.0, 60.0)  # seconds before another attempt that follows one without progress
_BLOCK = 2**16  # bytes written at once; what a broken connection loses at most


class BrokenOffError(DataError):
    """The connection broke or did not come about; another attempt may go on."""


@dataclass(frozen=True)
class Archive:
    """Where an archive can be had during the next minutes.

    Attributes:
        url: signed, needs no token.
        size: bytes.
        version: its ETag or date; with another one it is another archive.
    """

    url: str
    size: int
    version: str

    @property
    def file_name(self) -> str:
        """A name that only this version of the archive has."""
        return hashlib.sha256(f"{self.size} {self.version}".encode()).hexdigest()[:12] + ".zip"


def locate(competition: str) -> Archive:
    """Ask Kaggle for the archive of all files of a competition.

    Raises:
        DataError: the SDK or a token is missing, or Kaggle refuses; it says what to do.
        BrokenOffError: Kaggle does not answer.
    """
    _check_token()
    import requests
    from kagglesdk.competitions.types.competition_api_service import ApiDownloadDataFilesRequest
    from kagglesdk.kaggle_client import KaggleClient

    request = ApiDownloadDataFilesRequest()
    request.competition_name = competition
    user, key = os.environ.get("KAGGLE_USERNAME"), os.environ.get("KAGGLE_KEY")
    try:
        with KaggleClient(
            username=user, password=key, user_agent=f"steelexp/{__version__}"
        ) as client:
            answer = client.competitions.competition_api_client.download_data_files(request)
            answer.close()
    except requests.HTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        said = str(error).partition(" for url: ")[0]  # which may be a signed one
        raise DataError(_refusal(status, said, competition)) from None
    except requests.RequestException as error:
        raise BrokenOffError(
            f"Kaggle does not answer ({_reason(error)}); check the network"
        ) from None
    headers = answer.headers
    size = int(headers.get("Content-Length", 0))
    if not size:
        raise DataError(f"Kaggle gives no archive of {competition}, and no reason; try again later")
    version = headers.get("ETag") or headers.get("Last-Modified") or ""
    return Archive(answer.url, size, version)


def download(
    archive: Archive,
    folder: Path,
    *,
    renew: Callable[[], Archive],
    report: Callable[[int], None],
) -> Path:
    """Download an archive, going on from what an earlier call left.

    A broken connection is taken up again, up to four times without a byte gained in between.

    Args:
        archive: what to download.
        folder: where it goes.
        renew: says anew where the archive lies; addresses expire.
        report: told the bytes there.

    Returns:
        The complete file.

    Raises:
        DataError: the connection broke for good, or Kaggle refuses.
    """
    file = folder / archive.file_name
    waits: list[float] = []  # the first connection has to stand
    url = archive.url
    while (before := _size(file)) < archive.size:
        try:
            _append(url or renew().url, archive.version, file, report)
            problem = "the connection ended early"
        except BrokenOffError as error:
            problem = str(error)
        url = ""
        waits = list(_WAITS) if _size(file) > before else waits
        if not waits:
            raise DataError(f"{problem}; what has arrived is kept and {AGAIN}")
        if _size(file) < archive.size:
            time.sleep(waits.pop(0))
    return file


def _append(url: str, version: str, file: Path, report: Callable[[int], None]) -> None:
    """Get what the file lacks; all of it, where the server does not know or want the range."""
    import requests

    headers = {"Accept-Encoding": "identity", "User-Agent": f"steelexp/{__version__}"}
    if start := _size(file):
        headers |= {"Range": f"bytes={start}-"} | ({"If-Range": version} if version else {})
    try:
        with requests.get(url, headers=headers, stream=True, timeout=_PATIENCE) as answer:
            if answer.status_code not in (200, 206):
                host = urlsplit(url).hostname
                raise BrokenOffError(f"{host} refuses the archive ({answer.status_code})")
            with file.open("ab" if answer.status_code == 206 else "wb") as out:
                for block in answer.iter_content(_BLOCK):
                    out.write(block)
                    report(out.tell())
    except requests.RequestException as error:
        raise BrokenOffError(f"the connection broke ({_reason(error)})") from None


def _check_token() -> None:
    try:
        from kagglesdk.kaggle_env import get_access_token_from_env
    except ModuleNotFoundError:
        raise DataError("Kaggle's SDK is missing; pip install 'steelexp[kaggle]'") from None
    if (
        get_access_token_from_env()[0] is None
        and not (os.environ.get("KAGGLE_USERNAME") and os.environ.get("KAGGLE_KEY"))
        and not Path("~/.kaggle/kaggle.json").expanduser().is_file()
    ):
        raise DataError(
            f"there is no Kaggle API token; make one at {TOKENS_PAGE} and put it into "
            f"{TOKEN_PLACES}"
        )


def _refusal(status: int, said: str, competition: str) -> str:
    page = f"https://www.kaggle.com/c/{competition}"
    ways = {
        401: f"the API token is not accepted (any more); make a new one at {TOKENS_PAGE} and put "
        f"it into {TOKEN_PLACES}",
        403: f"accept the competition's rules at {page}/rules with the account of the token; if "
        "they are accepted, verify its phone number at https://www.kaggle.com/settings",
        404: f"see whether {page}/data opens in a browser",
    }
    return f"Kaggle refuses the download ({status}: {said}): {ways.get(status, 'try again later')}"


def _reason(error: Any) -> str:
    """The innermost cause, without the addresses, which are signed."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0
