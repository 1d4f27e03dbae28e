"""HTTP sessions for comet_ml that follow no redirect and read no answer without an end.

comet_ml makes all its sessions in one module. A plain session of `requests` follows a redirect to
any host, with the API key in the body or in the address, and reads an answer of any length.
"""

from typing import Any
from urllib.parse import urlsplit

import requests
from comet_ml.connection import http_session

ANSWER_BYTES = 1 << 28
"""Longest answer; the metrics of 1000 epochs with 100 values each take a tenth of it."""

_BLOCK = 1 << 16


class AnswerError(requests.RequestException):
    """An answer that is not read or followed; the message says why."""


class BoundedSession(requests.Session):
    """A session whose answers end, and come from the server that was asked."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return no target: nothing is followed."""

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send a request.

        Raises:
            AnswerError: The answer is a redirect, or longer than ANSWER_BYTES.
        """
        response = super().send(request, **kwargs | {"stream": True})
        try:
            _check_place(response)
            if not kwargs.get("stream"):
                _read(response)
        except BaseException:
            response.close()
            raise
        return response


def install() -> None:
    """Let comet_ml use these sessions from now on."""
    http_session.Session = BoundedSession  # type: ignore[attr-defined]


def _check_place(response: requests.Response) -> None:
    if "location" in response.headers and response.is_redirect:
        raise AnswerError(
            f"{_server(response.url)} redirects to {_server(response.headers['location'])}, which "
            "is not followed: set COMET_URL_OVERRIDE to the address of the server itself"
        )


def _server(url: str) -> str:
    """Scheme and host of an address; the rest of it may hold a key."""
    return "://".join(urlsplit(url)[:2])


def _read(response: requests.Response) -> None:
    """Read a whole answer, as `requests` does when it is not told to stream."""
    content = bytearray()
    for block in response.iter_content(_BLOCK):
        content += block
        if len(content) > ANSWER_BYTES:
            raise AnswerError(f"{_server(response.url)} answers without an end")
    response._content = bytes(content)
