"""Models of the Hugging Face Hub: the cache that transformers shares, and a Hub that answers badly."""

from __future__ import annotations

import json
import pickle
import socket
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import web as web_module
from onnx import TensorProto, helper, numpy_helper
from places import ROOT
from web import COMMIT, NEXT, VARIABLES, Web, file, git_sha1, redirect, serve_hub, sha256, status, web_server

from mmlrs import _warnings
from mmlrs.errors import InvalidParamError, IoError, LimitExceededError, ModelLoadError
from mmlrs.models import _hub
from mmlrs.models._hub import HubModel, HubSpec, fetch


def network(external: str | None = None) -> bytes:
    """An ONNX file that adds a constant. Its weights are in the file `external`, if that is not None."""
    weights = numpy_helper.from_array(np.arange(400, dtype=np.float32), "w")
    if external is not None:
        weights.ClearField("raw_data")
        weights.data_location = TensorProto.EXTERNAL
        for key, value in (("location", external), ("offset", "0"), ("length", "1600")):
            entry = weights.external_data.add()
            entry.key, entry.value = key, value
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [400]) for name in "xy"]
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])], "g", tensors[:1], tensors[1:], [weights]
    )
    model = helper.make_model(graph)
    helper.set_model_props(model, {"location": "a property, not a file"})
    return model.SerializeToString()


MODEL = network()
CONFIG = {"id2label": {"0": "cat", "1": "dog"}}
PREPROCESSOR = {"size": {"height": 8, "width": 8}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
FILES = {
    "onnx/model.onnx": MODEL,
    "config.json": json.dumps(CONFIG).encode(),
    "preprocessor_config.json": json.dumps(PREPROCESSOR).encode(),
    "tokenizer.json": b"{}",
}


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder HF_HOME, with no other setting and without huggingface_hub."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    monkeypatch.setattr(_warnings, "_warned", set())
    return tmp_path / "home"


@pytest.fixture
def cache(home: Path) -> Path:
    return home / "hub"


@pytest.fixture
def repo(cache: Path) -> Path:
    return cache / "models--org--name"


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    with web_server() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


@pytest.fixture
def cdn() -> Iterator[Web]:
    with web_server() as server:
        yield server


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def get(spec: str = "hf:org/name", **options: Any) -> HubModel:
    return fetch(spec, sleep=lambda _: None, **options)


def transformers_cache(
    repo: Path, files: dict[str, bytes], commit: str = COMMIT, lacking: tuple[str, ...] = ()
) -> None:
    """Lay out a cache by hand as transformers leaves it."""
    for name, data in files.items():
        blob = repo / "blobs" / (sha256(data) if ".onnx" in name else git_sha1(data))
        path = repo / "snapshots" / commit / name
        for each in (blob, path):
            each.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(data)
        path.symlink_to("../" * (2 + name.count("/")) + f"blobs/{blob.name}")
    for name in lacking:
        (repo / ".no_exist" / commit / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / ".no_exist" / commit / name).touch()
    (repo / "refs").mkdir(exist_ok=True)
    (repo / "refs" / "main").write_text(commit)


def tree(folder: Path) -> dict[str, str]:
    """The files below a folder: the target of a link, or the content."""
    return {
        str(p.relative_to(folder)): f"-> {p.readlink()}" if p.is_symlink() else str(p.read_bytes())
        for p in folder.rglob("*")
        if p.is_symlink() or p.is_file()
    }


# Specs


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
        match="^'.*(form hf:org/name|is not the name of a repository|the (file|revision) '.*' )",
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


def test_an_attack_pickle_with_the_name_of_an_onnx_file_is_never_read(web, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    serve_hub(web, FILES | {"onnx/model.onnx": pickle.dumps(Attack())})
    with pytest.raises(ModelLoadError, match=r"model\.onnx is a pickle; mmlrs needs ONNX"):
        get()
    assert not Path("attacked").exists()


@pytest.mark.parametrize(
    "start", [b"PK\x03\x04", b"\x89HDF\r\n", b"version https://git-lfs.github.com/spec/v1\n", b"<html>"]
)
def test_other_formats_with_the_name_of_an_onnx_file_are_refused(web, start):
    serve_hub(web, {"model.onnx": start + b"..."})
    with pytest.raises(ModelLoadError, match="mmlrs needs ONNX"):
        get()


# The network


def test_a_model_comes_with_its_configuration_and_fills_the_cache_as_transformers_does(web, cdn, repo):
    serve_hub(web, FILES, cdn=cdn)
    model = get()
    snapshot = repo / "snapshots" / COMMIT
    assert model == HubModel(
        snapshot / "onnx" / "model.onnx",
        COMMIT,
        "org/name",
        CONFIG,
        PREPROCESSOR,
        snapshot / "tokenizer.json",
    )
    assert model.path.read_bytes() == MODEL
    ours = tree(repo)
    by_hand = repo.with_name("by_hand")
    transformers_cache(by_hand, FILES)
    assert ours == tree(by_hand)
    locks = {p.name for p in (repo.parent / ".locks" / repo.name).iterdir()}
    assert locks == {f"{blob.name}.lock" for blob in (repo / "blobs").iterdir()}


def test_large_files_come_from_the_other_host_without_the_token(web, cdn, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    serve_hub(web, FILES, cdn=cdn)
    get()
    assert {r.headers.get("Authorization") for r in web.requests} == {"Bearer hf_secret"}
    assert [r.method for r in cdn.requests] == ["GET"]
    assert "Authorization" not in cdn.requests[0].headers


def test_the_token_may_be_in_a_file(web, home, monkeypatch):
    serve_hub(web, FILES)
    home.mkdir(exist_ok=True)
    (home / "token").write_text("hf_file\n")
    get()
    assert {r.headers.get("Authorization") for r in web.requests} == {"Bearer hf_file"}
    monkeypatch.setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
    web.requests.clear()
    get()
    assert {r.headers.get("Authorization") for r in web.requests} == {None}


def test_a_token_that_is_no_token_is_refused_and_not_shown(web, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret\nX-Header: 1")
    with pytest.raises(InvalidParamError, match="HF_TOKEN is not a token") as caught:
        get()
    assert "secret" not in str(caught.value)
    assert web.requests == []


def test_a_branch_costs_one_question_and_a_commit_none_once_all_is_cached(web):
    serve_hub(web, FILES)
    first = get()
    web.requests.clear()
    assert get() == first
    assert [r.method for r in web.requests] == ["HEAD"]
    web.requests.clear()
    assert get(f"hf:org/name@{COMMIT}") == first
    assert web.requests == []


def test_what_a_repository_lacks_is_remembered(web, repo):
    serve_hub(web, {"model.onnx": MODEL})
    model = get()
    assert model.path.name == "model.onnx"
    assert (model.config, model.preprocessor, model.tokenizer) == (None, None, None)
    assert (repo / ".no_exist" / COMMIT / "config.json").is_file()
    web.requests.clear()
    assert get(f"hf:org/name@{COMMIT}") == model
    assert web.requests == []


def test_all_files_are_of_one_commit_even_if_the_branch_moves(web):
    serve_hub(web, FILES)
    pages = dict(web.pages)

    def moved(handler: Any) -> None:
        pages["/org/name/resolve/main/onnx/model.onnx"](handler)
        serve_hub(web, {"config.json": b'{"new": 1}'}, commit=NEXT)

    web.pages["/org/name/resolve/main/onnx/model.onnx"] = moved
    model = get()
    assert (model.commit, model.config) == (COMMIT, CONFIG)


def test_a_new_commit_of_a_branch_is_fetched_and_shares_blobs(web, repo):
    serve_hub(web, FILES)
    get()
    serve_hub(web, FILES | {"config.json": b'{"new": 1}'}, commit=NEXT)
    before = web.sent
    model = get()
    assert (model.commit, model.config) == (NEXT, {"new": 1})
    assert web.sent - before == len(b'{"new": 1}')
    assert (repo / "refs" / "main").read_text() == NEXT


def test_the_quantized_model_is_used_only_when_it_is_asked_for(web):
    serve_hub(web, {"onnx/model_quantized.onnx": MODEL})
    with pytest.raises(
        IoError,
        match=r"has no file `onnx/model\.onnx` or `model\.onnx` at revision `main`.*; name its ONNX file",
    ):
        get()
    assert get("hf:org/name/onnx/model_quantized.onnx").path.name == "model_quantized.onnx"


def test_a_safetensors_file_is_only_a_file(web):
    serve_hub(web, {"model.safetensors": b"\x80\x02"})
    assert get("hf:org/name/model.safetensors").path.read_bytes() == b"\x80\x02"


@pytest.mark.parametrize("name", ["model.onnx_data", "weights.bin", "part/" + "x" * 120])
def test_weights_beside_the_model_come_too(web, cdn, name):
    serve_hub(web, {"onnx/model.onnx": network(name), f"onnx/{name}": b"w" * 1600}, cdn=cdn)
    model = get()
    assert (model.path.parent / name).read_bytes() == b"w" * 1600
    names = [r.path.split("/onnx/")[1] for r in web.asked("HEAD") if "/onnx/" in r.path]
    assert names == ["model.onnx", name]


def test_weights_that_are_missing_are_an_error(web):
    serve_hub(web, {"model.onnx": network("lost.bin")})
    with pytest.raises(IoError, match=r"has no file `lost\.bin` at revision `main`"):
        get()


@pytest.mark.parametrize("name", ["../../../../secret", "/etc/passwd", "a\\b"])
def test_weights_outside_of_the_folder_are_refused(web, name):
    serve_hub(web, {"model.onnx": network(name)})
    with pytest.raises(ModelLoadError, match="keeps weights in the file .*, whose name"):
        get()
    assert len(web.asked()) == 1


def test_wrong_bytes_of_a_large_file_are_an_error_and_leave_no_blob(web, cdn, repo):
    serve_hub(web, FILES, cdn=cdn)
    cdn.pages[f"/blobs/{sha256(MODEL)}"] = file(MODEL[::-1])
    with pytest.raises(ModelLoadError, match=f"the file has the SHA-256 .*, expected {sha256(MODEL)}"):
        get()
    assert list((repo / "blobs").iterdir()) == []
    assert not (repo / "snapshots").exists()
    assert not (repo / "refs").exists()


def test_wrong_bytes_of_a_small_file_are_an_error_of_gits_checksum(web):
    serve_hub(web, FILES)
    data = FILES["config.json"]
    web.pages[f"/org/name/resolve/{COMMIT}/config.json"] = file(
        data.upper(), etag=f'"{git_sha1(data)}"', headers={"X-Repo-Commit": COMMIT}
    )
    with pytest.raises(ModelLoadError, match=r"config\.json: the file has the git SHA-1 "):
        get()


def test_a_weak_etag_names_the_blob_without_its_decoration(web, repo):
    serve_hub(web, FILES)
    for path in (f"/org/name/resolve/{at}/onnx/model.onnx" for at in ("main", COMMIT)):
        web.pages[path] = file(MODEL, etag=f'W/"{git_sha1(MODEL)}"', headers={"X-Repo-Commit": COMMIT})
    assert get().path.resolve() == repo.resolve() / "blobs" / git_sha1(MODEL)


@pytest.mark.parametrize("etag", ['"../../../x"', '"a/b"', '""', '".."', None])
def test_an_etag_that_is_no_file_name_is_refused(web, cache, etag):
    serve_hub(web, FILES)
    web.pages["/org/name/resolve/main/onnx/model.onnx"] = file(
        MODEL, etag=etag, headers={"X-Repo-Commit": COMMIT}
    )
    with pytest.raises(
        IoError, match=r"no valid ETag, so it is not from a Hugging Face Hub; check HF_ENDPOINT"
    ):
        get()
    assert not cache.exists()


@pytest.mark.parametrize("commit", ["../../..", "main", ""])
def test_a_commit_that_is_no_commit_is_refused(web, cache, commit):
    serve_hub(web, FILES)
    web.pages["/org/name/resolve/main/onnx/model.onnx"] = file(MODEL, headers={"X-Repo-Commit": commit})
    with pytest.raises(IoError, match="no valid commit"):
        get()
    assert not cache.exists()


def test_a_renamed_repository_is_followed_on_the_same_host(web):
    serve_hub(web, FILES, repo="new/name")
    for path in list(web.pages):
        web.pages[path.replace("/new/", "/org/")] = redirect(path, 307)
    assert get().config == CONFIG


@pytest.mark.parametrize("code", [401, 403])
def test_a_refusal_speaks_of_the_token_and_the_licence(web, code, monkeypatch):
    web.pages["/org/name/resolve/main/onnx/model.onnx"] = status(code, X_Error_Code="GatedRepo")
    with pytest.raises(
        IoError,
        match=rf"answers {code} .* repository `org/name`: .*accept the licence at {web.url}/org/name, and set HF_TOKEN",
    ):
        get()
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with pytest.raises(IoError, match="the token has no access to it") as caught:
        get()
    assert "hf_secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("RepoNotFound", "there is no repository `org/name`"),
        ("RevisionNotFound", "the repository `org/name` has no revision `v9`"),
        ("EntryNotFound", r"the repository `org/name` has no file `m\.onnx` at revision `v9`"),
    ],
)
def test_a_404_names_the_repository_the_revision_or_the_file(web, code, message):
    web.pages["/org/name/resolve/v9/m.onnx"] = status(404, X_Error_Code=code)
    with pytest.raises(IoError, match=message):
        get("hf:org/name@v9/m.onnx")


def test_a_file_beyond_the_limit_is_not_fetched(web):
    serve_hub(web, FILES)
    with pytest.raises(LimitExceededError, match="max_bytes is 100"):
        get(max_bytes=100)
    assert web.asked() == []


@pytest.mark.parametrize(
    ("content", "message"), [(b"{", "is not JSON"), (b"[]", "must hold a JSON object, got list")]
)
def test_a_damaged_configuration_is_an_error(web, content, message):
    serve_hub(web, FILES | {"config.json": content})
    with pytest.raises(ModelLoadError, match=rf"hf:org/name: .*config\.json {message}"):
        get()


def test_a_huge_configuration_is_an_error(web, monkeypatch):
    monkeypatch.setattr(_hub, "MAX_CONFIG_BYTES", 10)
    serve_hub(web, FILES)
    with pytest.raises(LimitExceededError, match=r"config\.json has [\d]+ bytes, more than 10"):
        get()


def test_http_is_refused_unless_the_endpoint_is_http(web, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "https://127.0.0.1:1")
    with pytest.raises(
        IoError,
        match="https://127.0.0.1:1/org/name/resolve/main/onnx/model.onnx: the server cannot be reached",
    ):
        get()
    for url in ("ftp://host", "host", "https://me:secret@host"):
        monkeypatch.setenv("HF_ENDPOINT", url)
        with pytest.raises(InvalidParamError, match="HF_ENDPOINT must be a URL"):
            get()


CHILD = """
import sys
from mmlrs.models._hub import fetch
sys.modules["huggingface_hub"] = None
print("ready", flush=True)
sys.stdin.readline()
print(fetch("hf:org/name").path)
"""


@pytest.mark.parametrize("links", [True, False])
def test_two_processes_make_one_download(web, cdn, repo, monkeypatch, links):
    if not links:
        monkeypatch.setenv("HF_HUB_DISABLE_SYMLINKS", "1")
    serve_hub(web, {"model.onnx": MODEL}, cdn=cdn)
    cdn.pages[f"/blobs/{sha256(MODEL)}"] = file(MODEL, wait=0.3)
    command = [sys.executable, "-c", CHILD]
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
    assert results == [(f"{repo}/snapshots/{COMMIT}/model.onnx\n", "", 0)] * 2
    assert len(cdn.requests) == 1


# The cache


def test_what_transformers_cached_is_used_without_a_network_and_without_a_copy(repo, no_network):
    transformers_cache(repo, FILES)
    before = tree(repo)
    model = get(f"hf:org/name@{COMMIT}")
    assert model.path == repo / "snapshots" / COMMIT / "onnx" / "model.onnx"
    assert (model.config, model.preprocessor) == (CONFIG, PREPROCESSOR)
    assert tree(repo) == before


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_opens_no_socket(repo, monkeypatch, no_network, variable):
    monkeypatch.setenv(variable, "1")
    transformers_cache(repo, {"model.onnx": MODEL})
    model = get()
    assert (model.commit, model.path.name, model.config) == (COMMIT, "model.onnx", None)


def test_offline_says_what_to_bring_and_where(repo, cache, monkeypatch, no_network):
    monkeypatch.setenv("HF_HUB_OFFLINE", "yes")
    with pytest.raises(
        IoError,
        match=rf"`m\.onnx` is not in the cache.*copy the folder models--org--name .* to {cache}, or unset HF_HUB_OFFLINE",
    ):
        get("hf:org/name/m.onnx")
    transformers_cache(repo, {"config.json": b"{}"})
    place = repo / "snapshots" / COMMIT / "m.onnx"
    with pytest.raises(IoError, match=f"put it at {place}, "):
        get("hf:org/name/m.onnx")
    place.write_bytes(MODEL)
    assert get("hf:org/name/m.onnx").path == place


@pytest.mark.parametrize("variable", ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME", "HOME"])
def test_the_cache_is_where_the_variables_say(tmp_path, monkeypatch, no_network, variable):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("HF_HOME")
    monkeypatch.setenv(variable, str(tmp_path / "there"))
    below = {"XDG_CACHE_HOME": "huggingface/hub", "HOME": ".cache/huggingface/hub"}.get(variable, "")
    repo = tmp_path / "there" / below / "models--org--name"
    transformers_cache(repo, {"model.onnx": MODEL})
    assert get().path == repo / "snapshots" / COMMIT / "model.onnx"


def test_a_file_that_the_listing_of_the_commit_lacks_is_not_asked_for(repo, no_network):
    transformers_cache(repo, {"model.onnx": MODEL})
    (repo / "trees").mkdir()
    listing = {"format_version": 1, "files": {"model.onnx": {"size": len(MODEL), "blob_id": "0" * 40}}}
    (repo / "trees" / f"{COMMIT}.json").write_text(json.dumps(listing))
    assert get(f"hf:org/name@{COMMIT}").path.name == "model.onnx"


@pytest.mark.parametrize("how", ["no server", "503", "silence", "cut"])
def test_without_an_answer_the_cached_commit_is_used_with_one_warning(repo, web, cdn, monkeypatch, how):
    transformers_cache(repo, FILES)
    if how == "no server":
        with web_server() as gone:
            monkeypatch.setenv("HF_ENDPOINT", gone.url)
    elif how == "503":
        web.pages["/org/name/resolve/main/onnx/model.onnx"] = status(503)
    elif how == "silence":
        monkeypatch.setenv("HF_HUB_ETAG_TIMEOUT", "0.1")
        web.pages["/org/name/resolve/main/onnx/model.onnx"] = file(MODEL, wait=0.3)
    else:
        serve_hub(web, {"onnx/model.onnx": MODEL + b"new"}, cdn=cdn, commit=NEXT)
        cdn.pages[f"/blobs/{sha256(MODEL + b'new')}"] = file(MODEL + b"new", cuts=[1] * 5, ranges=False)
    with pytest.warns(
        UserWarning, match=f"hf:org/name: http.*; the cached commit {COMMIT} is used"
    ) as caught:
        model = get()
    assert (len(caught), model.commit, model.path.read_bytes()) == (1, COMMIT, MODEL)


def test_without_an_answer_and_without_a_cached_commit_there_is_an_error(web):
    web.pages["/org/name/resolve/main/onnx/model.onnx"] = status(503)
    with pytest.raises(
        IoError,
        match=r"answers 503 Service Unavailable; `onnx/model.onnx` or `model.onnx` of hf:org/name is not in the cache",
    ):
        get()
    assert len(web.requests) == 3


def test_an_interrupted_download_continues(web, cdn, repo):
    serve_hub(web, {"model.onnx": MODEL}, cdn=cdn)
    cdn.pages[f"/blobs/{sha256(MODEL)}"] = file(MODEL, cuts=[1000], etag='"x"')
    assert get().path.read_bytes() == MODEL
    assert cdn.sent == len(MODEL)


@pytest.mark.parametrize("setting", ["variable", "file system"])
def test_without_links_the_files_themselves_are_in_the_snapshot(web, repo, monkeypatch, setting):
    if setting == "variable":
        monkeypatch.setenv("HF_HUB_DISABLE_SYMLINKS", "1")
    else:

        def refuse(*_: object) -> None:
            raise PermissionError

        monkeypatch.setattr("os.symlink", refuse)
    serve_hub(web, FILES)
    model = get()
    assert not model.path.is_symlink()
    assert model.path.read_bytes() == MODEL
    assert list((repo / "blobs").iterdir()) == []
    web.requests.clear()
    assert get() == model
    assert web.asked() == []


def test_without_links_an_older_blob_stays_for_its_other_users(web, repo, monkeypatch):
    transformers_cache(repo, FILES)
    monkeypatch.setenv("HF_HUB_DISABLE_SYMLINKS", "1")
    serve_hub(web, FILES, commit=NEXT)
    for path in (f"/org/name/resolve/{at}/onnx/model.onnx" for at in ("main", NEXT)):
        web.pages[path] = file(MODEL, etag=f'"{sha256(MODEL)}"', headers={"X-Repo-Commit": NEXT})
    model = get()
    assert not model.path.is_symlink()
    assert get(f"hf:org/name@{COMMIT}").path.read_bytes() == model.path.read_bytes() == MODEL
    assert web.asked() == []


@pytest.mark.parametrize("part", ["file", "blob", "snapshot", "repository"])
def test_a_link_out_of_the_cache_is_refused(repo, cache, tmp_path, monkeypatch, no_network, part):
    outside = tmp_path / "outside"
    transformers_cache(outside, FILES)
    if part == "repository":
        cache.mkdir(parents=True)
        repo.symlink_to(outside)
    else:
        transformers_cache(repo, FILES)
        model = repo / "snapshots" / COMMIT / "onnx" / "model.onnx"
        link = {"file": model, "blob": repo / "blobs" / sha256(MODEL), "snapshot": model.parent}[part]
        if part == "snapshot":
            model.unlink()
            link.rmdir()
            link.symlink_to(outside / "snapshots" / COMMIT / "onnx")
        else:
            link.unlink()
            link.symlink_to(outside / "blobs" / sha256(MODEL))
    with pytest.raises(IoError, match=rf"is a link to .*, outside the cache {cache}; delete the link"):
        get(f"hf:org/name@{COMMIT}")


def test_nothing_is_written_through_a_link_out_of_the_cache(web, repo, tmp_path):
    (tmp_path / "outside").mkdir()
    repo.mkdir(parents=True)
    (repo / "blobs").symlink_to(tmp_path / "outside")
    serve_hub(web, FILES)
    with pytest.raises(IoError, match="outside the cache"):
        get()
    assert list((tmp_path / "outside").iterdir()) == []


def test_the_cache_itself_may_be_a_link(web, cache, tmp_path):
    (tmp_path / "disk").mkdir()
    cache.parent.mkdir(exist_ok=True)
    cache.symlink_to(tmp_path / "disk")
    serve_hub(web, FILES)
    assert get().path.read_bytes() == MODEL


def test_a_link_without_its_blob_is_fetched_again(web, repo):
    transformers_cache(repo, FILES)
    (repo / "blobs" / sha256(MODEL)).unlink()
    serve_hub(web, FILES)
    assert get().path.read_bytes() == MODEL


def test_a_cache_that_is_a_file_is_one_clear_error(web, cache):
    cache.parent.mkdir(exist_ok=True)
    cache.write_bytes(b"")
    serve_hub(web, FILES)
    with pytest.raises(IoError, match="cannot write .*; set HF_HUB_CACHE to a folder that you may write to"):
        get()


# huggingface_hub


@pytest.fixture
def library(web: Web, repo: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
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


def test_the_library_transfers_if_it_is_installed(web, cdn, cache, library, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    serve_hub(web, FILES, cdn=cdn)
    assert get().config == CONFIG
    assert [call["file"] for call in library] == list(FILES)
    assert library[0] == {
        "repo": "org/name", "file": "onnx/model.onnx", "revision": COMMIT, "cache_dir": str(cache), "endpoint": web.url,
        "token": "hf_secret", "etag_timeout": 10.0,
    }  # fmt: skip
    assert (web.asked(), cdn.asked()) == ([], [])
    library.clear()
    get()
    assert library == []


def test_what_the_library_transfers_is_checked(web, cdn, repo, library, monkeypatch):
    serve_hub(web, FILES, cdn=cdn)
    monkeypatch.setitem(FILES, "onnx/model.onnx", MODEL[::-1])
    monkeypatch.setattr(web_module, "sha256", sha256)
    monkeypatch.setattr(sys.modules[__name__], "sha256", lambda _: web_module.sha256(MODEL))
    with pytest.raises(ModelLoadError, match="the file has the SHA-256"):
        get()
    assert list((repo / "blobs").iterdir()) == []


def test_an_error_of_the_library_is_an_io_error(web, library, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no\nroute")

    monkeypatch.setattr(sys.modules["huggingface_hub"], "hf_hub_download", fail)
    serve_hub(web, FILES)
    with pytest.raises(IoError, match=r"onnx/model\.onnx: huggingface_hub cannot transfer it: no route"):
        get()


def test_the_model_of_the_tests_is_valid():
    onnx.checker.check_model(MODEL)
