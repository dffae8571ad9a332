"""Web servers on this machine that misbehave on purpose, one of them like the Hugging Face Hub."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

#: Environment variables that change what a download does.
VARIABLES = [
    "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_ENDPOINT", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH",
    "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_SYMLINKS", "HF_HUB_DISABLE_PROGRESS_BARS",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN", "MMLRS_PROGRESS", "MMLRS_MODELS", "HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT", "XDG_CACHE_HOME",
    *(f"{kind}_proxy" for kind in ("http", "https", "all", "no")),
    *(f"{kind}_PROXY" for kind in ("HTTP", "HTTPS", "ALL", "NO")),
]  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    """Passes requests on to the pages of the server."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        web = self.server.web
        web.requests.append(Request(self.command, self.path, dict(self.headers.items())))
        page = web.pages.get(self.path)
        self.close_connection = True
        with suppress(BrokenPipeError, ConnectionResetError):
            (page or status(404))(self)

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        pass

    def start(self, code: int, headers: dict[str, object]) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()

    def body(self, data: bytes) -> None:
        if self.command != "HEAD":
            self.wfile.write(data)
            self.server.web.sent += len(data)


Page = Callable[[Handler], None]


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]


@dataclass
class Web:
    """What a server serves, and what it was asked."""

    url: str
    pages: dict[str, Page] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    sent: int = 0

    def asked(self, method: str = "GET") -> list[Request]:
        return [request for request in self.requests if request.method == method]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    web: Web


@contextmanager
def web_server() -> Iterator[Web]:
    server = _Server(("127.0.0.1", 0), Handler)
    server.web = Web(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server.web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def status(code: int, **headers: object) -> Page:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.start(code, {"Content-Length": 0, **named})


def redirect(url: str, code: int = 302, **headers: object) -> Page:
    return status(code, Location=url, **headers)


def file(
    data: bytes,
    *,
    etag: str | None = '"one"',
    modified: str | None = None,
    ranges: bool = True,
    cuts: list[int] | None = None,
    length: int | None = None,
    wait: float = 0.0,
    headers: dict[str, object] | None = None,
) -> Page:
    """A file. Each of `cuts` ends one answer after that many bytes; `length` is announced instead of the true one."""
    left = list(cuts or [])

    def page(handler: Handler) -> None:
        time.sleep(wait)
        start, code = 0, 200
        fields: dict[str, object] = {**(headers or {})}
        for name, value in (("ETag", etag), ("Last-Modified", modified)):
            if value is not None:
                fields[name] = value
        asked = handler.headers.get("Range")
        same = handler.headers.get("If-Range") in {etag, modified} - {None}
        if asked and ranges and same:
            start, code = int(asked.removeprefix("bytes=").removesuffix("-")), 206
            if start >= len(data):
                return handler.start(416, {"Content-Range": f"bytes */{len(data)}", "Content-Length": 0})
            fields["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        announced = len(data) - start if length is None else length
        if announced >= 0:
            fields["Content-Length"] = announced
        handler.start(code, fields)
        end = start + left.pop(0) if left and handler.command != "HEAD" else len(data)
        return handler.body(data[start:end])

    return page


def git_sha1(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


COMMIT, NEXT = "a" * 40, "b" * 40


def serve_hub(
    web: Web,
    files: dict[str, bytes],
    *,
    cdn: Web | None = None,
    repo: str = "org/name",
    commit: str = COMMIT,
    revision: str = "main",
) -> None:
    """Serve a repository as the Hub does: large files (`.onnx*`) are on another host, small ones have git's SHA-1 as ETag."""
    web.pages = {path: page for path, page in web.pages.items() if f"/{revision}/" not in path}
    for name, data in files.items():
        facts: dict[str, object] = {"X-Repo-Commit": commit}
        if cdn is not None and ".onnx" in name:
            cdn.pages[f"/blobs/{sha256(data)}"] = file(data, etag=f'"{sha256(data)}"')
            facts |= {"X-Linked-Etag": f'"{sha256(data)}"', "X-Linked-Size": len(data)}
            page = redirect(
                f"{cdn.url}/blobs/{sha256(data)}", **{k.replace("-", "_"): v for k, v in facts.items()}
            )
        else:
            page = file(data, etag=f'"{git_sha1(data)}"', headers=facts)
        for at in (revision, commit):
            web.pages[f"/{repo}/resolve/{at}/{name}"] = page
    missing = status(404, X_Error_Code="EntryNotFound", X_Repo_Commit=commit)
    for name in (
        "onnx/model.onnx",
        "model.onnx",
        "config.json",
        "preprocessor_config.json",
        "tokenizer.json",
    ):
        for at in (revision, commit):
            web.pages.setdefault(f"/{repo}/resolve/{at}/{name}", missing)
