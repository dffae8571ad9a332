"""Repositories on web servers and remote file systems: downloads, their cache, and servers that misbehave."""

from __future__ import annotations

import errno
import sys
from pathlib import Path

import fsspec
import pytest
from repositories import LABELS, MEANS, described, manifest, serve
from twice import run_twice
from web import file, redirect, status

from mmlrs.errors import InvalidParamError, IoError, LimitExceededError, ModelLoadError
from mmlrs.models import ModelRepository
from mmlrs.models import _stores as stores
from mmlrs.models._download import Download

ENTRY = described(MEANS, task="image-classification", labels=LABELS)
FILES = {"net/model.onnx": MEANS}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Downloads are tried again at once."""
    monkeypatch.setattr(
        stores, "Download", lambda **options: Download(**options, sleep=lambda _: None, timeout=5.0)
    )


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "cache"


def opened(url: str, folder: Path, **settings: object) -> ModelRepository:
    return ModelRepository(url, cache_dir=folder, **{"allow_http": True, **settings})  # type: ignore[arg-type]


def cached(folder: Path) -> list[str]:
    """The files in the cache, without locks and manifests."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.parent.name != "manifests")
    return sorted(path.name for path in files if path.suffix != ".lock")


# -- downloads --------------------------------------------------------------------------------------------------------


def test_a_model_is_downloaded_once_into_a_folder_named_after_its_checksum(web, folder):
    url = serve(web, FILES, ENTRY)
    path = opened(url, folder).download("net")
    assert path == folder / ENTRY["file"]["sha256"] / "model.onnx"
    assert path.read_bytes() == MEANS
    assert [request.path for request in web.requests] == ["/repo/mmlrs-models.json", "/repo/net/model.onnx"]
    assert opened(url + "/", folder).load("net").read()[: len(MEANS)] == MEANS
    assert [request.path for request in web.requests][2:] == ["/repo/mmlrs-models.json"]


def test_the_cache_is_in_the_models_folder(web, monkeypatch, tmp_path):
    monkeypatch.setenv("MMLRS_MODELS", str(tmp_path / "models"))
    path = ModelRepository(serve(web, FILES, ENTRY), allow_http=True).download("net")
    assert path.is_relative_to(tmp_path / "models" / "repositories")


def test_an_interrupted_download_is_continued(web, folder):
    url = serve(web, FILES, ENTRY)
    web.pages["/repo/net/model.onnx"] = file(MEANS, cuts=[100, 20])
    assert opened(url, folder).download("net").read_bytes() == MEANS
    ranges = [request.headers.get("Range") for request in web.requests[1:]]
    assert ranges == [None, "bytes=100-", "bytes=120-"]


def test_two_processes_make_one_download(web, folder):
    url = serve(web, FILES, ENTRY)
    web.pages["/repo/net/model.onnx"] = file(MEANS, wait=0.5)
    code = (
        "from mmlrs.models import ModelRepository as R; print('ready', flush=True); input();"
        f"print(len(R({url!r}, cache_dir={str(folder)!r}, allow_http=True).download('net').read_bytes()))"
    )
    for output in run_twice(code):
        assert output.strip() == str(len(MEANS))
    assert [request.path for request in web.requests].count("/repo/net/model.onnx") == 1


def test_without_network_the_cached_files_and_the_last_manifest_are_used(web, folder):
    url = serve(web, FILES, ENTRY)
    opened(url, folder).download("net")
    web.pages["/repo/mmlrs-models.json"] = status(503)
    with pytest.warns(UserWarning, match=r"the server answers 503.*; the manifest of the last time is used"):
        assert opened(url, folder).download("net").read_bytes() == MEANS


# -- wrong answers ----------------------------------------------------------------------------------------------------


def test_a_page_that_is_no_manifest_does_not_replace_the_last_one(web, folder):
    url = serve(web, FILES, ENTRY)
    ModelRepository(url, cache_dir=folder, allow_http=True).list()
    web.pages["/repo/mmlrs-models.json"] = file(b"<html>Log in</html>")
    with pytest.raises(ModelLoadError, match="JSON"):
        ModelRepository(url, cache_dir=folder, allow_http=True).list()
    web.pages["/repo/mmlrs-models.json"] = status(503)
    with pytest.warns(UserWarning, match="the manifest of the last time is used"):
        assert [model.name for model in ModelRepository(url, cache_dir=folder, allow_http=True).list()] == [
            "net"
        ]


@pytest.mark.parametrize(
    "content", [MEANS[:-7], MEANS + b"\0", MEANS[:-1] + b"\0"], ids=["short", "long", "other"]
)
def test_wrong_bytes_are_an_error_and_do_not_stay(web, folder, content):
    url = serve(web, FILES, ENTRY)
    web.pages["/repo/net/model.onnx"] = file(content)
    with pytest.raises(ModelLoadError, match=r"net/model\.onnx: the (server sends|file has the SHA-256)"):
        opened(url, folder).load("net")
    assert cached(folder) == []


def test_a_damaged_file_of_the_cache_is_downloaded_again(web, folder):
    repository = opened(serve(web, FILES, ENTRY), folder)
    handle = repository.load("net")
    path = repository.download("net")
    path.write_bytes(MEANS[:100])
    assert handle.read()[: len(MEANS)] == MEANS
    assert path.read_bytes() == MEANS


def test_http_is_refused_unless_allowed(web, folder):
    with pytest.raises(
        InvalidParamError, match="http is not encrypted; use https, or allow http with allow_http"
    ):
        ModelRepository(serve(web, FILES, ENTRY), cache_dir=folder)


@pytest.mark.parametrize("page", ["mmlrs-models.json", "net/model.onnx"])
@pytest.mark.parametrize("there", ["host", "scheme", "file"])
def test_a_redirect_to_another_host_or_scheme_is_refused(web, other, folder, page, there):
    url = serve(web, FILES, ENTRY)
    serve(other, FILES, ENTRY)
    target = {
        "host": f"{other.url}/repo/{page}",
        "scheme": f"https://{web.url.removeprefix('http://')}/{page}",
        "file": "ftp://127.0.0.1/x",
    }
    web.pages[f"/repo/{page}"] = redirect(target[there])
    with pytest.raises(IoError, match=r"the server redirects to .*refused"):
        opened(url, folder).load("net")
    assert other.requests == []
    assert cached(folder) == []


def test_a_redirect_on_the_same_host_is_followed(web, folder):
    url = serve(web, FILES, ENTRY)
    web.pages["/elsewhere"] = web.pages["/repo/net/model.onnx"]
    web.pages["/repo/net/model.onnx"] = redirect("/elsewhere")
    assert opened(url, folder).download("net").read_bytes() == MEANS


def test_a_missing_manifest_or_file_is_an_error_with_the_url(web, folder):
    with pytest.raises(IoError, match=r"/repo/mmlrs-models\.json: the server answers 404.*; check the URL"):
        opened(f"{web.url}/repo", folder).list()
    url = serve(web, {}, ENTRY)
    with pytest.raises(IoError, match=r"net/model\.onnx: the server answers 404"):
        opened(url, folder).load("net")


def test_a_manifest_without_end_is_not_read_to_the_end(web, folder, monkeypatch):
    monkeypatch.setattr(stores, "MAX_MANIFEST_BYTES", 1000)
    web.pages["/repo/mmlrs-models.json"] = file(b" " * 100_000)
    with pytest.raises(LimitExceededError, match="the manifest has more than 1,000 bytes"):
        opened(f"{web.url}/repo", folder).list()


def test_a_file_beyond_the_limit_is_not_downloaded(web, folder):
    with pytest.raises(LimitExceededError, match="but max_bytes is 10"):
        opened(serve(web, FILES, ENTRY), folder, max_bytes=10).load("net")
    assert [request.path for request in web.requests] == ["/repo/mmlrs-models.json"]


def test_a_link_out_of_the_cache_is_refused(web, folder, tmp_path):
    url = serve(web, FILES, ENTRY)
    (tmp_path / "outside").mkdir()
    folder.mkdir()
    (folder / ENTRY["file"]["sha256"]).symlink_to(tmp_path / "outside")
    with pytest.raises(IoError, match=r"is a link to .*outside, outside the cache .*; delete the link"):
        opened(url, folder).load("net")
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_full_disk_is_an_error_with_the_free_space_and_leaves_nothing(web, folder, monkeypatch):
    url = serve(web, FILES, ENTRY)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(IoError, match=r"cannot write .*No space left on device; .* bytes are free"):
        opened(url, folder).load("net")
    assert cached(folder) == []


# -- remote file systems ----------------------------------------------------------------------------------------------


@pytest.fixture
def memory() -> str:
    """A repository in fsspec's memory."""
    files = fsspec.filesystem("memory")
    files.pipe("/repo/net/model.onnx", MEANS)
    files.pipe("/repo/mmlrs-models.json", manifest(ENTRY))
    yield "memory://repo"
    files.rm("/repo", recursive=True)


def test_fsspec_reads_other_schemes(memory, folder):
    repository = ModelRepository(memory, cache_dir=folder)
    path = repository.download("net")
    assert path.is_relative_to(folder)
    assert path.read_bytes() == MEANS
    fsspec.filesystem("memory").rm("/repo/net/model.onnx")
    assert repository.load("net").read()[: len(MEANS)] == MEANS


def test_wrong_bytes_of_a_remote_file_system_do_not_stay(memory, folder):
    fsspec.filesystem("memory").pipe("/repo/net/model.onnx", MEANS[:-1] + b"\0")
    with pytest.raises(ModelLoadError, match=r"memory://repo/net/model\.onnx: the file has the SHA-256 "):
        ModelRepository(memory, cache_dir=folder).load("net")
    assert cached(folder) == []


def test_a_remote_file_beyond_the_limit_or_missing_is_an_error(memory, folder):
    with pytest.raises(LimitExceededError, match="but max_bytes is 10"):
        ModelRepository(memory, cache_dir=folder, max_bytes=10).load("net")
    with pytest.raises(IoError, match=r"memory://nothing/mmlrs-models\.json: "):
        ModelRepository("memory://nothing", cache_dir=folder).list()


def test_without_fsspec_the_error_names_it(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(
        IoError, match=r"memory://repo/.*; fsspec, which supports more schemes, is not installed"
    ):
        ModelRepository("memory://repo", cache_dir=folder).list()


def test_publishing_needs_a_folder_on_this_machine(memory, folder):
    with pytest.raises(
        InvalidParamError, match="memory://repo is not a folder on this machine; publish to one"
    ):
        ModelRepository(memory, cache_dir=folder).publish(MEANS, name="other")
