"""Downloads are checked, continue where they ended, and happen once, whatever the server does."""

from __future__ import annotations

import errno
import os
import pickle
import subprocess
import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
import web as web_module
from places import ROOT
from web import VARIABLES, Web, file, redirect, sha256, status, web_server

from mmlrs.errors import InvalidParamError, IoError, LimitExceededError, MmlrsError, ModelLoadError
from mmlrs.models._download import download, locked

DATA = bytes(range(256)) * 40


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as server:
        yield server


@pytest.fixture
def other() -> Iterator[Web]:
    with web_server() as server:
        yield server


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "model.onnx"


def get(url: str, target: Path, **options: Any) -> bytes:
    options = {"allow_http": True, "sleep": lambda _: None, "timeout": 5.0, **options}
    assert download(url, target, **options) == target
    return target.read_bytes()


def left(target: Path) -> list[str]:
    """The files beside the target, without the lock."""
    return sorted(p.name for p in target.parent.iterdir() if p != target and p.suffix != ".lock")


def test_a_file_arrives_complete_and_nothing_else_stays(web, target):
    web.pages["/f"] = file(DATA)
    assert get(f"{web.url}/f", target, sha256=sha256(DATA).upper(), size=len(DATA)) == DATA
    assert left(target) == []


def test_a_file_that_is_there_and_right_is_not_asked_for(web, target):
    target.parent.mkdir()
    target.write_bytes(DATA)
    assert get(f"{web.url}/f", target, sha256=sha256(DATA)) == DATA
    assert web.requests == []


def test_a_file_that_is_there_and_wrong_is_replaced(web, target):
    target.parent.mkdir()
    target.write_bytes(b"old")
    web.pages["/f"] = file(DATA)
    assert get(f"{web.url}/f", target, sha256=sha256(DATA)) == DATA


@pytest.mark.parametrize(
    "validators", [{"etag": '"one"'}, {"etag": 'W/"one"', "modified": "Sat, 01 Aug 2026 10:00:00 GMT"}]
)
def test_a_cut_answer_is_continued(web, target, validators):
    web.pages["/f"] = file(DATA, cuts=[4000, 3000], **validators)
    waits: list[float] = []
    assert get(f"{web.url}/f", target, sha256=sha256(DATA), sleep=waits.append) == DATA
    assert web.sent == len(DATA), "each byte once"
    assert [r.headers.get("Range") for r in web.requests] == [None, "bytes=4000-", "bytes=7000-"]
    assert waits == [0.5, 1.0]


def test_a_later_call_continues_what_an_earlier_one_left(web, target):
    web.pages["/f"] = file(DATA, cuts=[4000])
    with pytest.raises(
        IoError,
        match=r"ended after 4,000 of 10,240 bytes, tried 1 time; the next call continues after 4,000 bytes",
    ):
        get(f"{web.url}/f", target, attempts=1)
    assert not target.exists()
    assert get(f"{web.url}/f", target, sha256=sha256(DATA)) == DATA
    assert web.sent == len(DATA)
    assert left(target) == []


def test_a_complete_part_needs_no_byte_more(web, target):
    web.pages["/f"] = file(DATA, cuts=[4000])
    with pytest.raises(IoError):
        get(f"{web.url}/f", target, attempts=1)
    target.with_name("model.onnx.incomplete").write_bytes(DATA)
    assert get(f"{web.url}/f", target, sha256=sha256(DATA)) == DATA
    assert web.sent == 4000


@pytest.mark.parametrize(
    "options",
    [{"ranges": False}, {"etag": 'W/"one"'}, {"etag": None}],
    ids=["no ranges", "a weak ETag", "no validator"],
)
def test_what_cannot_be_continued_starts_again(web, target, options):
    web.pages["/f"] = file(DATA, cuts=[4000], **options)
    assert get(f"{web.url}/f", target, sha256=sha256(DATA)) == DATA
    assert web.sent == 4000 + len(DATA)


def test_a_file_that_changed_meanwhile_starts_again(web, target):
    web.pages["/f"] = file(b"x" * len(DATA), cuts=[4000], etag='"old"')
    with pytest.raises(IoError):
        get(f"{web.url}/f", target, attempts=1)
    web.pages["/f"] = file(DATA, etag='"new"')
    assert get(f"{web.url}/f", target) == DATA


def test_a_server_that_ignores_the_condition_of_a_range_is_not_believed(web, target):
    web.pages["/f"] = file(b"x" * len(DATA), cuts=[4000], etag='"old"')
    with pytest.raises(IoError):
        get(f"{web.url}/f", target, attempts=1)

    def page(handler: Any) -> None:
        if handler.headers.get("Range"):
            fields = {
                "Content-Range": f"bytes 4000-{len(DATA) - 1}/{len(DATA)}",
                "Content-Length": len(DATA) - 4000,
            }
            handler.start(206, {**fields, "ETag": '"new"'})
            handler.body(DATA[4000:])
        else:
            file(DATA, etag='"new"')(handler)

    web.pages["/f"] = page
    assert get(f"{web.url}/f", target) == DATA


def test_a_part_with_wrong_bytes_is_dropped_and_the_file_comes_again(web, target):
    web.pages["/f"] = file(DATA, cuts=[4000])
    with pytest.raises(IoError):
        get(f"{web.url}/f", target, attempts=1)
    target.with_name("model.onnx.incomplete").write_bytes(b"x" * 4000)
    assert get(f"{web.url}/f", target, sha256=sha256(DATA)) == DATA


def test_a_server_that_always_cuts_is_given_up_on(web, target):
    web.pages["/f"] = file(DATA, cuts=[10] * 9)
    with pytest.raises(IoError, match=rf"{web.url}/f: the connection ended after 30 .* tried 3 times"):
        get(f"{web.url}/f", target, attempts=3)
    assert len(web.requests) == 3


def test_wrong_bytes_are_an_error_and_deleted(web, target):
    web.pages["/f"] = file(DATA[::-1])
    with pytest.raises(
        ModelLoadError,
        match=f"{web.url}/f: the file has the SHA-256 .*, expected {sha256(DATA)}; the file is deleted",
    ):
        get(f"{web.url}/f", target, sha256=sha256(DATA))
    assert not target.exists()
    assert left(target) == []
    assert len(web.requests) == 1


def test_a_wrong_length_is_an_error_before_it_is_read(web, target):
    web.pages["/f"] = file(DATA)
    with pytest.raises(ModelLoadError, match=r"the server sends 10,240 bytes, expected 10,241"):
        get(f"{web.url}/f", target, size=len(DATA) + 1)
    assert left(target) == []


def test_without_a_length_the_size_tells_whether_the_file_is_complete(web, target):
    web.pages["/f"] = file(DATA, length=-1, cuts=[100])
    assert get(f"{web.url}/f", target, size=len(DATA)) == DATA
    web.pages["/g"] = file(DATA, length=-1)
    with pytest.raises(ModelLoadError, match="10,240 bytes, expected 500"):
        get(f"{web.url}/g", target, size=500)


def test_a_file_beyond_the_limit_is_not_read(web, target):
    web.pages["/f"] = file(DATA)
    with pytest.raises(LimitExceededError, match=r"the file has 10,240 bytes, but max_bytes is 100"):
        get(f"{web.url}/f", target, max_bytes=100)
    assert left(target) == []
    with pytest.raises(LimitExceededError):
        get(f"{web.url}/f", target, max_bytes=100, size=len(DATA))
    assert len(web.requests) == 1


def test_a_file_without_a_length_is_read_up_to_the_limit(web, target):
    web.pages["/f"] = file(DATA, length=-1)
    with pytest.raises(LimitExceededError, match="has more bytes"):
        get(f"{web.url}/f", target, max_bytes=100)
    assert left(target) == []


def test_a_silent_server_is_an_error_in_time(web, target):
    web.pages["/f"] = file(DATA, wait=1.0)
    before = time.monotonic()
    with pytest.raises(IoError, match=r"no answer within 0\.1 seconds, tried 2 times"):
        get(f"{web.url}/f", target, timeout=0.1, attempts=2)
    assert time.monotonic() - before < 0.9


def test_a_server_that_stops_in_the_middle_is_continued(web, target):
    def page(handler: Any) -> None:
        if handler.headers.get("Range"):
            return file(DATA)(handler)
        handler.start(200, {"Content-Length": len(DATA), "ETag": '"one"'})
        handler.body(DATA[:5000])
        handler.wfile.flush()
        return time.sleep(0.5)

    web.pages["/f"] = page
    assert get(f"{web.url}/f", target, timeout=0.1) == DATA
    assert web.sent == len(DATA)


def test_a_busy_server_is_asked_again(web, target):
    answers = [status(503), status(429), file(DATA)]
    web.pages["/f"] = lambda handler: answers.pop(0)(handler)
    assert get(f"{web.url}/f", target) == DATA
    web.pages["/g"] = status(503)
    with pytest.raises(
        IoError, match=r"/g: the server answers 503 Service Unavailable, tried 2 times; try again later"
    ):
        get(f"{web.url}/g", target.with_name("g"), attempts=2)


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_a_refusal_is_not_repeated(web, target, code):
    web.pages["/f"] = status(code)
    with pytest.raises(IoError, match=f"{web.url}/f: the server answers {code} .*; check the URL"):
        get(f"{web.url}/f", target)
    assert len(web.requests) == 1


def test_no_server_is_an_io_error(target):
    with web_server() as gone:
        pass
    with pytest.raises(
        IoError, match=f"{gone.url}/f: the server cannot be reached: Connection refused, tried 2 times"
    ):
        get(f"{gone.url}/f", target, attempts=2)


def test_a_token_stays_with_its_host(web, other, target):
    web.pages |= {"/f": redirect(f"{web.url}/near"), "/near": redirect(f"{other.url}/far")}
    other.pages["/far"] = file(DATA, cuts=[4000])
    assert get(f"{web.url}/f", target, headers={"Authorization": "Bearer secret", "X-Other": "1"}) == DATA
    assert [r.headers.get("Authorization") for r in web.requests] == ["Bearer secret"] * 4
    assert [r.headers.get("Authorization") for r in other.requests] == [None, None]
    assert [r.headers.get("X-Other") for r in other.requests] == ["1", "1"]


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects_are_followed(web, target, code):
    web.pages |= {"/f": redirect("/g", code), "/g": file(DATA)}
    assert get(f"{web.url}/f", target) == DATA


@pytest.mark.parametrize(
    "there", ["file:///etc/passwd", "ftp://host/f", "data:text/plain,x", "gopher://x/", "", "http://a@b/"]
)
def test_redirects_to_other_schemes_are_refused(web, target, there):
    web.pages["/f"] = redirect(there)
    with pytest.raises(IoError, match=rf"{web.url}/f: the server redirects to .*; use another URL"):
        get(f"{web.url}/f", target)
    assert not target.exists()


class Answer:
    """An answer of a server that is not there."""

    def __init__(self, status: int, headers: dict[str, str]) -> None:
        self.status, self.headers = status, headers

    def close(self) -> None:
        pass


def test_a_redirect_from_https_to_http_is_refused_even_where_http_is_allowed(web, target):
    web.pages["/f"] = file(DATA)
    asked: list[str] = []

    def opener(request: Any, timeout: float) -> Any:
        asked.append(request.full_url)
        return Answer(302, {"Location": f"{web.url}/f"})

    with pytest.raises(IoError, match="redirects from https to http"):
        get("https://host/f", target, opener=opener)
    assert asked == ["https://host/f"]
    assert web.requests == []


def test_endless_redirects_end(web, target):
    web.pages["/f"] = redirect("/f")
    with pytest.raises(IoError, match="more than 5 redirects"):
        get(f"{web.url}/f", target)
    assert len(web.requests) == 6


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("http://host/f", "http is not encrypted"),
        ("file:///etc/passwd", "not a URL of a web server"),
        ("https://", "not a URL of a web server"),
        ("https://host:port/", "not a URL of a web server"),
        ("https://host/a b", "visible ASCII"),
        ("https://host/a\r\nX: y", "visible ASCII"),
    ],
)
def test_other_urls_are_refused(target, url, cause):
    with pytest.raises(InvalidParamError, match=cause):
        get(url, target, allow_http=False)


def test_a_password_in_a_url_is_refused_and_not_shown(target):
    with pytest.raises(InvalidParamError, match="the URL of host has a user name") as caught:
        get("https://me:secret@host/f", target)
    assert "secret" not in str(caught.value)


def test_a_checksum_of_another_form_is_refused(target):
    with pytest.raises(InvalidParamError, match="64 hex digits"):
        get("https://host/f", target, sha256="abc")


class FullDisk:
    """A file on a full disk."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, data: bytes) -> int:
        self._file.write(data[:100])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_one_clear_error_and_leaves_no_part(web, target, monkeypatch):
    web.pages["/f"] = file(DATA)
    open_ = Path.open
    part = target.with_name("model.onnx.incomplete")
    with monkeypatch.context() as patch:
        patch.setattr(
            Path, "open", lambda p, *a, **k: FullDisk(open_(p, *a, **k)) if p == part else open_(p, *a, **k)
        )
        with pytest.raises(
            IoError,
            match=rf"{web.url}/f: cannot write {part}: No space left on device; [\d,]+ of [\d,]+ bytes are free",
        ):
            get(f"{web.url}/f", target)
    assert left(target) == []
    assert get(f"{web.url}/f", target) == DATA


def test_a_full_disk_may_show_when_the_file_is_complete(web, target, monkeypatch):
    web.pages["/f"] = file(DATA)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(IoError, match="No space left on device; "):
        get(f"{web.url}/f", target)
    assert not target.exists()


def test_a_folder_that_is_a_file_is_an_io_error(web, target):
    target.parent.write_bytes(b"")
    with pytest.raises(IoError, match=f"{web.url}/f: cannot write {target.parent}"):
        get(f"{web.url}/f", target)


CHILD = """
import sys
from pathlib import Path
from mmlrs.models._download import download
print("ready", flush=True)
sys.stdin.readline()
download(sys.argv[1], Path(sys.argv[2]), allow_http=True)
"""


def run_twice(code: str, *arguments: str) -> None:
    """Run a program in two processes, which start their work at the same time. Both must succeed."""
    command = [sys.executable, "-c", code, *arguments]
    children = [
        subprocess.Popen(command, stdin=-1, stdout=-1, stderr=-1, text=True, cwd=ROOT) for _ in range(2)
    ]
    try:
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n", child.communicate()
        for child in children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        results = [(*child.communicate(timeout=60), child.returncode) for child in children]
    finally:
        for child in children:
            child.kill()
            child.wait()
    assert results == [("", "", 0)] * 2


def test_two_processes_make_one_download(web, target):
    web.pages["/f"] = file(DATA, wait=0.3)
    run_twice(CHILD, f"{web.url}/f", str(target))
    assert target.read_bytes() == DATA
    assert len(web.requests) == 1
    assert left(target) == []


def test_without_locks_nothing_is_shared_with_other_processes(web, target, monkeypatch):
    import fcntl

    def flock(handle: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    web.pages["/f"] = file(DATA, cuts=[4000])
    target.parent.mkdir()
    foreign = target.with_name("model.onnx.incomplete")
    foreign.write_bytes(b"of another process")
    assert get(f"{web.url}/f", target) == DATA
    assert web.sent == len(DATA)
    assert left(target) == [foreign.name]
    assert foreign.read_bytes() == b"of another process"


def test_a_lock_file_that_was_deleted_meanwhile_does_not_count(tmp_path, monkeypatch):
    import fcntl

    path, flock, turns = tmp_path / "lock", fcntl.flock, []

    def late(handle: int, operation: int) -> None:
        if not turns:
            path.unlink()
        turns.append(handle)
        flock(handle, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with locked(path) as held:
        assert held
        assert len(turns) == 2
        assert path.exists()


class Terminal:
    """A standard error that is a terminal."""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass


@pytest.mark.parametrize(
    ("setting", "terminal", "shown"), [("", True, True), ("1", True, False), ("", False, False)]
)
def test_a_terminal_shows_the_progress(web, target, monkeypatch, setting, terminal, shown):
    bars: list[Any] = []

    class Bar:
        def __init__(self, **options: Any) -> None:
            self.options, self.steps = options, 0
            bars.append(self)

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def update(self, count: int) -> None:
            self.steps += count

    module = types.ModuleType("tqdm")
    module.tqdm = Bar  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tqdm", module)
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", setting)
    if terminal:
        monkeypatch.setattr(sys, "stderr", Terminal())
    web.pages["/f"] = file(DATA)
    get(f"{web.url}/f", target)
    assert [(bar.options["total"], bar.steps) for bar in bars] == ([(len(DATA), len(DATA))] if shown else [])


def test_errors_can_be_pickled(web, target):
    web.pages["/f"] = status(503)
    with pytest.raises(MmlrsError) as caught:
        get(f"{web.url}/f", target, attempts=1)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_importing_the_modules_does_not_load_the_network_libraries():
    code = (
        "import sys; import pyarrow, numpy, mmlrs; before = set(sys.modules); import mmlrs.models._hub;"
        "print(sorted(m for m in {'urllib.request', 'http.client', 'ssl', 'tqdm', 'huggingface_hub', 'mmlrs.models._http'}"
        " if m in sys.modules and m not in before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "[]\n"


def test_the_server_of_the_tests_counts_what_it_sends(web, target):
    web.pages["/f"] = file(DATA)
    get(f"{web.url}/f", target)
    assert web.sent == len(DATA)
    assert web_module.git_sha1(b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
