"""Transfers through huggingface_hub."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest
from hubs import CONFIG, FILES, MODEL, get, transformers_cache
from web import COMMIT, Web, serve_hub

from mmlrs.errors import IoError, ModelLoadError


@pytest.fixture
def library(hub: Web, repo: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A stand-in for huggingface_hub, which notes its calls and fills the cache."""
    calls: list[dict[str, Any]] = []

    def hf_hub_download(name: str, filename: str, **options: Any) -> str:
        calls.append({"repo": name, "file": filename, **options})
        transformers_cache(repo, {filename: FILES[filename]}, options["revision"])
        return str(repo / "snapshots" / options["revision"] / filename)

    module = types.ModuleType("huggingface_hub")
    module.hf_hub_download = hf_hub_download  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return calls


def test_the_library_transfers_if_it_is_installed(hub, other, cache, library, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    serve_hub(hub, FILES, cdn=other)
    assert get().config == CONFIG
    assert [call["file"] for call in library] == list(FILES)
    assert library[0] == {
        "repo": "org/name", "file": "onnx/model.onnx", "revision": COMMIT, "cache_dir": str(cache), "endpoint": hub.url,
        "token": "hf_secret", "etag_timeout": 10.0,
    }  # fmt: skip
    assert (hub.asked(), other.asked()) == ([], [])
    library.clear()
    get()
    assert library == []


def test_what_the_library_transfers_is_checked(hub, other, repo, library, monkeypatch):
    module = sys.modules["huggingface_hub"]
    whole = module.hf_hub_download

    def damaged(*names: str, **options: Any) -> None:
        Path(whole(*names, **options)).resolve().write_bytes(MODEL[::-1])

    monkeypatch.setattr(module, "hf_hub_download", damaged)
    serve_hub(hub, FILES, cdn=other)
    with pytest.raises(ModelLoadError, match="the file has the SHA-256"):
        get()
    assert list((repo / "blobs").iterdir()) == []


def test_an_error_of_the_library_is_an_io_error(hub, library, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no\nroute")

    monkeypatch.setattr(sys.modules["huggingface_hub"], "hf_hub_download", fail)
    serve_hub(hub, FILES)
    with pytest.raises(IoError, match=r"onnx/model\.onnx: huggingface_hub cannot transfer it: no route"):
        get()
