"""Answers of a server that is broken or means harm, in place of what was asked for."""

import gzip
import socket
import struct
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

Answer = Callable[[BaseHTTPRequestHandler], None]

TICK = 0.2
"""Seconds between two bytes of a slow answer: less than any time limit of a single read."""


def _begin(handler: BaseHTTPRequestHandler, *headers: tuple[str, str], status: int = 200) -> None:
    handler.send_response(status)
    for name, value in headers:
        handler.send_header(name, value)
    handler.end_headers()


def slow_body(handler: BaseHTTPRequestHandler) -> None:
    """Send one byte after the other, each in time, without an end."""
    _begin(handler, ("Content-Type", "application/json"), ("Content-Length", "1000000"))
    for _ in range(10_000):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        threading.Event().wait(TICK)


def slow_headers(handler: BaseHTTPRequestHandler) -> None:
    """Send a header that has no end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    for _ in range(10_000):
        handler.wfile.write(b"x")
        handler.wfile.flush()
        threading.Event().wait(TICK)


def endless_body(handler: BaseHTTPRequestHandler) -> None:
    """Send as fast as the client reads, without an end."""
    _begin(handler, ("Content-Type", "application/json"))
    while True:
        handler.wfile.write(b" " * (1 << 20))


def bomb(handler: BaseHTTPRequestHandler) -> None:
    """Send 1 MB that unpacks to 1 GB."""
    content = gzip.compress(b" " * (1 << 20)) * 1024
    length = ("Content-Length", str(len(content)))
    _begin(handler, ("Content-Type", "application/json"), ("Content-Encoding", "gzip"), length)
    handler.wfile.write(content)


def page(handler: BaseHTTPRequestHandler) -> None:
    """Send the page of a proxy that wants a login."""
    content = b"<html><body>Please log in.</body></html>"
    _begin(handler, ("Content-Type", "text/html"), ("Content-Length", str(len(content))))
    handler.wfile.write(content)


def other_json(handler: BaseHTTPRequestHandler) -> None:
    """Send JSON of another shape."""
    _begin(handler, ("Content-Type", "application/json"), ("Content-Length", "7"))
    handler.wfile.write(b"[null]\n")


def silence(handler: BaseHTTPRequestHandler) -> None:
    """Accept, and never answer."""
    threading.Event().wait(600)


def reset(handler: BaseHTTPRequestHandler) -> None:
    """Reset the connection."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def failure(status: int, *headers: tuple[str, str]) -> Answer:
    """Answer with a status and a message that is not for a terminal."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        content = b'{"msg": "\\u001b[31mout of order\\u001b[0m\\n<script>"}'
        _begin(handler, ("Content-Length", str(len(content))), *headers, status=status)
        handler.wfile.write(content)

    return answer


def redirect(status: int, to: str) -> Answer:
    """Send the client elsewhere, to the same path."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        location = ("Location", to.rstrip("/") + handler.path)
        _begin(handler, location, ("Content-Length", "0"), status=status)

    return answer
