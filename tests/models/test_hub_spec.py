"""What names a model of the Hub, and the formats that are refused."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from hubs import FILES, get
from web import COMMIT, serve_hub

from mmlrs.errors import InvalidParamError, ModelLoadError
from mmlrs.models._hub import HubSpec


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("hf:org/name", HubSpec("org/name")),
        ("hf:org/name@v1.0", HubSpec("org/name", "v1.0")),
        ("hf:org/name/onnx/model_quantized.onnx", HubSpec("org/name", "main", "onnx/model_quantized.onnx")),
        ("hf:o-r.g/n_a.me@" + COMMIT + "/m.onnx", HubSpec("o-r.g/n_a.me", COMMIT, "m.onnx")),
        ("hf:org/name@refs/pr/7/model.onnx", HubSpec("org/name", "refs/pr/7", "model.onnx")),
        ("hf:org/name/model.safetensors", HubSpec("org/name", "main", "model.safetensors")),
        ("hf:org/name/odd@name.onnx", HubSpec("org/name", "main", "odd@name.onnx")),
    ],
)
def test_a_spec_has_a_repository_a_revision_and_a_file(text, spec):
    assert HubSpec.parse(text) == spec
    assert str(spec) == text


@pytest.mark.parametrize(
    "text",
    [
        "org/name", "hf:", "hf:name", "hf:org/", "hf:/name", "hf://org/name", "hf:org/name/", "hf:org/name@", "hf:org/name@/m.onnx",
        "hf:../name", "hf:org/..", "hf:org/a..b", "hf:org/a--b", "hf:o rg/name", "hf:org/name\n", "hf:org\\x/name", "hf:.org/name",
        "hf:org/name/../m.onnx", "hf:org/name//etc/m.onnx", "hf:org/name/a\\..\\m.onnx", "hf:org/name/~/../m.onnx",
        "hf:org/name@../m.onnx", "hf:org/name@..", "hf:org/name@a\\b", "hf:org/name@refs/pr/..", "hf:org/name/./m.onnx",
        "hf:org/name/m\0.onnx", "hf:org/name/C:/m.onnx", "hf:org/" + "n" * 97,
    ],
)  # fmt: skip
def test_a_spec_of_another_form_or_with_an_unsafe_name_is_refused(text, no_network):
    with pytest.raises(
        InvalidParamError,
        match=r"^'.*(form hf:org/name|is not the name of a repository|the (file|revision) '.*' )",
    ):
        get(text)


@pytest.mark.parametrize(
    "name",
    [
        "pytorch_model.bin",
        "m.pth",
        "m.pt",
        "a/m.pkl",
        "m.ckpt",
        "m.joblib",
        "m.npy",
        "m.PKL",
        "m.onnx.pickle",
    ],
)
def test_a_pickle_is_refused_by_its_name(name, no_network):
    with pytest.raises(
        ModelLoadError,
        match="may hold a pickle, which can run any code and is never read; mmlrs needs ONNX: export",
    ):
        get(f"hf:org/name/{name}")


@pytest.mark.parametrize("name", ["tf_model.h5", "m.gguf", "config.json", "m.onnx_data", "model"])
def test_other_formats_are_refused_too(name, no_network):
    with pytest.raises(ModelLoadError, match="mmlrs needs ONNX"):
        get(f"hf:org/name/{name}")


class Attack:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return Path.touch, (Path("attacked"),)


def test_an_attack_pickle_with_the_name_of_an_onnx_file_is_never_read(hub, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    serve_hub(hub, FILES | {"onnx/model.onnx": pickle.dumps(Attack())})
    with pytest.raises(ModelLoadError, match=r"model\.onnx is a pickle; mmlrs needs ONNX"):
        get()
    assert not Path("attacked").exists()


@pytest.mark.parametrize(
    "start", [b"PK\x03\x04", b"\x89HDF\r\n", b"version https://git-lfs.github.com/spec/v1\n", b"<html>"]
)
def test_other_formats_with_the_name_of_an_onnx_file_are_refused(hub, start):
    serve_hub(hub, {"model.onnx": start + b"..."})
    with pytest.raises(ModelLoadError, match="mmlrs needs ONNX"):
        get()
