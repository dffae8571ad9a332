"""Downloads on full disks, in several processes, and on terminals."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import pytest
from fetching import DATA, get, left
from places import ROOT
from twice import run_twice
from web import file

from mmlrs.errors import IoError
from mmlrs.models._download import locked


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


def test_two_processes_make_one_download(web, target):
    web.pages["/f"] = file(DATA, wait=0.3)
    assert run_twice(CHILD, f"{web.url}/f", str(target)) == [""] * 2
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


@pytest.mark.parametrize(("setting", "shown"), [("", True), ("1", False)])
def test_a_download_shows_its_file_and_how_much_is_there(web, target, monkeypatch, setting, shown):
    screen = io.StringIO()
    screen.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", setting)
    web.pages["/net.onnx?x=1"] = file(DATA)
    get(f"{web.url}/net.onnx?x=1", target)
    assert ("net.onnx: 100%" in screen.getvalue()) is shown
    assert ("10.0k/10.0k" in screen.getvalue()) is shown


def test_importing_the_modules_does_not_load_the_network_libraries():
    code = (
        "import sys; import pyarrow, numpy, mmlrs; before = set(sys.modules); import mmlrs.models._hub;"
        "print(sorted(m for m in {'urllib.request', 'http.client', 'ssl', 'tqdm', 'huggingface_hub', 'mmlrs.models._http'}"
        " if m in sys.modules and m not in before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "[]\n"
