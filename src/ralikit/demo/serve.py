"""A server of the page on this computer alone, with the headers that a page like it wants."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ralikit.errors import RalikitError

# What a browser on this computer calls it; the port may be another, behind a tunnel.
_OWN_NAME = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?", re.IGNORECASE)

# A page that may talk to its own server alone; the same policy stands in index.html for other
# hosts. Isolation lets a browser use threads and tell how much memory the page takes.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; "
        "style-src 'self'; img-src 'self' blob:; connect-src 'self'; manifest-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


class _Handler(SimpleHTTPRequestHandler):
    """Static files with the page's headers; quiet."""

    # Served by the system's table otherwise, which may lack these or hold wrong ones.
    extensions_map = {  # noqa: RUF012 (the base class declares it so)
        **SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
        ".webmanifest": "application/manifest+json",
        ".svg": "image/svg+xml",
        ".json": "application/json",
        ".onnx": "application/octet-stream",
    }

    squeezed = False

    def translate_path(self, path: str) -> str:
        file = super().translate_path(path)
        accepted = "gzip" in self.headers.get("Accept-Encoding", "")
        self.squeezed = accepted and os.path.isfile(f"{file}.gz")  # noqa: PTH113 (null bytes: False)
        return f"{file}.gz" if self.squeezed else file

    def guess_type(self, path: Any) -> str:
        return super().guess_type(str(path).removesuffix(".gz") if self.squeezed else path)

    def end_headers(self) -> None:
        if self.squeezed:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Vary", "Accept-Encoding")
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        # A foreign name that was made to lead here (DNS rebinding) is another site's page.
        if _OWN_NAME.fullmatch(self.headers.get("Host", "")):
            return True
        self.send_error(HTTPStatus.MISDIRECTED_REQUEST, "this page is served to localhost alone")
        return False

    def send_head(self) -> Any:
        try:
            return super().send_head()
        except ValueError:  # a null byte in the path
            self.send_error(HTTPStatus.NOT_FOUND)
            return None

    def list_directory(self, path: Any) -> None:
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base's name)
        pass


class _Server(ThreadingHTTPServer):
    """Quiet about browsers that go away in the middle of an answer."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


@contextmanager
def serving(folder: Path, port: int) -> Iterator[ThreadingHTTPServer]:
    """A server on this computer alone (127.0.0.1); port 0 takes a free one.

    Raises:
        RalikitError: If the port is taken.
    """
    try:
        server = _Server(("127.0.0.1", port), partial(_Handler, directory=str(folder)))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RalikitError(f"cannot listen on port {port}: {reason}; choose another") from error
    with server:
        yield server
