"""Location of a competition's archive at Kaggle, and a download that resumes after a break.

Kaggle's SDK requests the archive with the user's token and is redirected to a signed URL, from
which HTTP ranges are read. The whole client of Kaggle is not used: it needs some twenty more
packages, logs in and prints on import, and has no timeout for its first connection.
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
from steelexp.command_line import install_line
from steelexp.data.dataset import DataError

TOKENS_PAGE = "https://www.kaggle.com/settings/api"
TOKEN_PLACES = "KAGGLE_API_TOKEN, ~/.kaggle/access_token or ~/.kaggle/kaggle.json"
RESUME_HINT = "the same command resumes the download"

_TIMEOUTS = (10.0, 60.0)  # seconds to connect, and between two blocks
_WAITS = (1.0, 4.0, 15.0, 60.0)  # seconds before each retry after an attempt without progress
_BLOCK_SIZE = 2**16  # bytes per write, the most that a broken connection loses


class BrokenOffError(DataError):
    """The connection broke or failed; a retry may resume it."""


@dataclass(frozen=True)
class Archive:
    """The location of an archive; its URL expires after some minutes.

    Attributes:
        url: Signed URL, usable without a token.
        size: Size in bytes.
        version: ETag or date that identifies the version of the archive.
    """

    url: str
    size: int
    version: str

    @property
    def file_name(self) -> str:
        """File name that is unique to this version of the archive."""
        return hashlib.sha256(f"{self.size} {self.version}".encode()).hexdigest()[:12] + ".zip"


def locate(competition: str) -> Archive:
    """Request the location of the archive of all files of a competition.

    Raises:
        DataError: The SDK or a token is missing, or Kaggle refuses the request.
        BrokenOffError: Kaggle does not answer.
    """
    _check_token()
    import requests
    from kagglesdk.competitions.types.competition_api_service import ApiDownloadDataFilesRequest
    from kagglesdk.kaggle_client import KaggleClient

    request = ApiDownloadDataFilesRequest()
    request.competition_name = competition
    user = os.environ.get("KAGGLE_USERNAME")
    key = os.environ.get("KAGGLE_KEY")
    try:
        with KaggleClient(
            username=user, password=key, user_agent=f"steelexp/{__version__}"
        ) as client:
            answer = client.competitions.competition_api_client.download_data_files(request)
            answer.close()
    except requests.HTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        message = str(error).partition(" for url: ")[0]  # the URL may be signed
        raise DataError(_refusal(status, message, competition)) from None
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
    """Download an archive, and resume an earlier download.

    A broken connection is retried, up to four times without progress.

    Args:
        archive: Archive to download.
        folder: Target folder.
        renew: Function that locates the archive again, since URLs expire.
        report: Progress callback, called with the number of bytes on disk.

    Returns:
        Path of the complete file.

    Raises:
        DataError: All retries failed, or Kaggle refuses the request.
    """
    file = folder / archive.file_name
    waits: list[float] = []  # no retry before the first bytes
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
            raise DataError(f"{problem}; the received part is kept and {RESUME_HINT}")
        if _size(file) < archive.size:
            time.sleep(waits.pop(0))
    return file


def _append(url: str, version: str, file: Path, report: Callable[[int], None]) -> None:
    """Append the missing bytes; the whole file if the server does not support ranges."""
    import requests

    headers = {"Accept-Encoding": "identity", "User-Agent": f"steelexp/{__version__}"}
    if start := _size(file):
        headers |= {"Range": f"bytes={start}-"} | ({"If-Range": version} if version else {})
    try:
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUTS) as answer:
            if answer.status_code not in (200, 206):
                host = urlsplit(url).hostname
                raise BrokenOffError(f"{host} refuses the archive ({answer.status_code})")
            with file.open("ab" if answer.status_code == 206 else "wb") as out:
                for block in answer.iter_content(_BLOCK_SIZE):
                    out.write(block)
                    report(out.tell())
    except requests.RequestException as error:
        raise BrokenOffError(f"the connection broke ({_reason(error)})") from None


def _check_token() -> None:
    try:
        from kagglesdk.kaggle_env import get_access_token_from_env
    except ModuleNotFoundError:
        raise DataError(f"Kaggle's SDK is missing: {install_line('kaggle')}") from None
    if (
        get_access_token_from_env()[0] is None
        and not (os.environ.get("KAGGLE_USERNAME") and os.environ.get("KAGGLE_KEY"))
        and not Path("~/.kaggle/kaggle.json").expanduser().is_file()
    ):
        raise DataError(
            f"there is no Kaggle API token; make one at {TOKENS_PAGE} and put it into "
            f"{TOKEN_PLACES}"
        )


def _refusal(status: int, message: str, competition: str) -> str:
    page = f"https://www.kaggle.com/c/{competition}"
    fixes = {
        401: f"the API token is not accepted (any more); make a new one at {TOKENS_PAGE} and put "
        f"it into {TOKEN_PLACES}",
        403: f"accept the competition's rules at {page}/rules with the account of the token; if "
        "they are accepted, verify its phone number at https://www.kaggle.com/settings",
        404: f"see whether {page}/data opens in a browser",
    }
    return (
        f"Kaggle refuses the download ({status}: {message}): {fixes.get(status, 'try again later')}"
    )


def _reason(error: Any) -> str:
    """The innermost cause of an error, without URLs, which are signed."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0
