"""Models of the Hub, also of one that answers badly."""

from __future__ import annotations

from typing import Any

import onnx
import pytest
from hubs import CONFIG, FILES, MODEL, PREPROCESSOR, get, network, transformers_cache, tree
from twice import run_twice
from web import COMMIT, NEXT, file, git_sha1, redirect, serve_hub, sha256, status

from mmlrs.errors import InvalidParamError, IoError, LimitExceededError, ModelLoadError
from mmlrs.models import _hub
from mmlrs.models._hub import HubModel

CHILD = """
import sys
from mmlrs.models._hub import fetch
sys.modules["huggingface_hub"] = None
print("ready", flush=True)
sys.stdin.readline()
print(fetch("hf:org/name").path)
"""


def test_a_model_comes_with_its_configuration_and_fills_the_cache_as_transformers_does(hub, other, repo):
    serve_hub(hub, FILES, cdn=other)
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


def test_large_files_come_from_the_other_host_without_the_token(hub, other, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    serve_hub(hub, FILES, cdn=other)
    get()
    assert {r.headers.get("Authorization") for r in hub.requests} == {"Bearer hf_secret"}
    assert [r.method for r in other.requests] == ["GET"]
    assert "Authorization" not in other.requests[0].headers


def test_the_token_may_be_in_a_file(hub, home, monkeypatch):
    serve_hub(hub, FILES)
    home.mkdir(exist_ok=True)
    (home / "token").write_text("hf_file\n")
    get()
    assert {r.headers.get("Authorization") for r in hub.requests} == {"Bearer hf_file"}
    monkeypatch.setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
    hub.requests.clear()
    get()
    assert {r.headers.get("Authorization") for r in hub.requests} == {None}


def test_a_token_that_is_no_token_is_refused_and_not_shown(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret\nX-Header: 1")
    with pytest.raises(InvalidParamError, match="HF_TOKEN is not a token") as caught:
        get()
    assert "secret" not in str(caught.value)
    assert hub.requests == []


def test_a_branch_costs_one_question_and_a_commit_none_once_all_is_cached(hub):
    serve_hub(hub, FILES)
    first = get()
    hub.requests.clear()
    assert get() == first
    assert [r.method for r in hub.requests] == ["HEAD"]
    hub.requests.clear()
    assert get(f"hf:org/name@{COMMIT}") == first
    assert hub.requests == []


def test_what_a_repository_lacks_is_remembered(hub, repo):
    serve_hub(hub, {"model.onnx": MODEL})
    model = get()
    assert model.path.name == "model.onnx"
    assert (model.config, model.preprocessor, model.tokenizer) == (None, None, None)
    assert (repo / ".no_exist" / COMMIT / "config.json").is_file()
    hub.requests.clear()
    assert get(f"hf:org/name@{COMMIT}") == model
    assert hub.requests == []


def test_all_files_are_of_one_commit_even_if_the_branch_moves(hub):
    serve_hub(hub, FILES)
    pages = dict(hub.pages)

    def moved(handler: Any) -> None:
        pages["/org/name/resolve/main/onnx/model.onnx"](handler)
        serve_hub(hub, {"config.json": b'{"new": 1}'}, commit=NEXT)

    hub.pages["/org/name/resolve/main/onnx/model.onnx"] = moved
    model = get()
    assert (model.commit, model.config) == (COMMIT, CONFIG)


def test_a_new_commit_of_a_branch_is_fetched_and_shares_blobs(hub, repo):
    serve_hub(hub, FILES)
    get()
    serve_hub(hub, FILES | {"config.json": b'{"new": 1}'}, commit=NEXT)
    before = hub.sent
    model = get()
    assert (model.commit, model.config) == (NEXT, {"new": 1})
    assert hub.sent - before == len(b'{"new": 1}')
    assert (repo / "refs" / "main").read_text() == NEXT


def test_the_quantized_model_is_used_only_when_it_is_asked_for(hub):
    serve_hub(hub, {"onnx/model_quantized.onnx": MODEL})
    with pytest.raises(
        IoError,
        match=r"has no file `onnx/model\.onnx` or `model\.onnx` at revision `main`.*; name its ONNX file",
    ):
        get()
    assert get("hf:org/name/onnx/model_quantized.onnx").path.name == "model_quantized.onnx"


def test_a_safetensors_file_is_only_a_file(hub):
    serve_hub(hub, {"model.safetensors": b"\x80\x02"})
    assert get("hf:org/name/model.safetensors").path.read_bytes() == b"\x80\x02"


@pytest.mark.parametrize("name", ["model.onnx_data", "weights.bin", "part/" + "x" * 120])
def test_weights_beside_the_model_come_too(hub, other, name):
    serve_hub(hub, {"onnx/model.onnx": network(name), f"onnx/{name}": b"w" * 1600}, cdn=other)
    model = get()
    assert (model.path.parent / name).read_bytes() == b"w" * 1600
    names = [r.path.split("/onnx/")[1] for r in hub.asked("HEAD") if "/onnx/" in r.path]
    assert names == ["model.onnx", name]


def test_weights_that_are_missing_are_an_error(hub):
    serve_hub(hub, {"model.onnx": network("lost.bin")})
    with pytest.raises(IoError, match=r"has no file `lost\.bin` at revision `main`"):
        get()


@pytest.mark.parametrize("name", ["../../../../secret", "/etc/passwd", "a\\b"])
def test_weights_outside_of_the_folder_are_refused(hub, name):
    serve_hub(hub, {"model.onnx": network(name)})
    with pytest.raises(ModelLoadError, match=r"keeps weights in the file .*, whose name"):
        get()
    assert len(hub.asked()) == 1


def test_wrong_bytes_of_a_large_file_are_an_error_and_leave_no_blob(hub, other, repo):
    serve_hub(hub, FILES, cdn=other)
    other.pages[f"/blobs/{sha256(MODEL)}"] = file(MODEL[::-1])
    with pytest.raises(ModelLoadError, match=f"the file has the SHA-256 .*, expected {sha256(MODEL)}"):
        get()
    assert list((repo / "blobs").iterdir()) == []
    assert not (repo / "snapshots").exists()
    assert not (repo / "refs").exists()


def test_wrong_bytes_of_a_small_file_are_an_error_of_gits_checksum(hub):
    serve_hub(hub, FILES)
    data = FILES["config.json"]
    hub.pages[f"/org/name/resolve/{COMMIT}/config.json"] = file(
        data.upper(), etag=f'"{git_sha1(data)}"', headers={"X-Repo-Commit": COMMIT}
    )
    with pytest.raises(ModelLoadError, match=r"config\.json: the file has the git SHA-1 "):
        get()


def test_a_weak_etag_names_the_blob_without_its_decoration(hub, repo):
    serve_hub(hub, FILES)
    for path in (f"/org/name/resolve/{at}/onnx/model.onnx" for at in ("main", COMMIT)):
        hub.pages[path] = file(MODEL, etag=f'W/"{git_sha1(MODEL)}"', headers={"X-Repo-Commit": COMMIT})
    assert get().path.resolve() == repo.resolve() / "blobs" / git_sha1(MODEL)


@pytest.mark.parametrize("etag", ['"../../../x"', '"a/b"', '""', '".."', None])
def test_an_etag_that_is_no_file_name_is_refused(hub, cache, etag):
    serve_hub(hub, FILES)
    hub.pages["/org/name/resolve/main/onnx/model.onnx"] = file(
        MODEL, etag=etag, headers={"X-Repo-Commit": COMMIT}
    )
    with pytest.raises(
        IoError, match=r"no valid ETag, so it is not from a Hugging Face Hub; check HF_ENDPOINT"
    ):
        get()
    assert not cache.exists()


@pytest.mark.parametrize("commit", ["../../..", "main", ""])
def test_a_commit_that_is_no_commit_is_refused(hub, cache, commit):
    serve_hub(hub, FILES)
    hub.pages["/org/name/resolve/main/onnx/model.onnx"] = file(MODEL, headers={"X-Repo-Commit": commit})
    with pytest.raises(IoError, match="no valid commit"):
        get()
    assert not cache.exists()


def test_a_renamed_repository_is_followed_on_the_same_host(hub):
    serve_hub(hub, FILES, repo="new/name")
    for path in list(hub.pages):
        hub.pages[path.replace("/new/", "/org/")] = redirect(path, 307)
    assert get().config == CONFIG


@pytest.mark.parametrize("code", [401, 403])
def test_a_refusal_speaks_of_the_token_and_the_licence(hub, code, monkeypatch):
    hub.pages["/org/name/resolve/main/onnx/model.onnx"] = status(code, X_Error_Code="GatedRepo")
    with pytest.raises(
        IoError,
        match=rf"answers {code} .* repository `org/name`: .*accept the licence at {hub.url}/org/name, and set HF_TOKEN",
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
def test_a_404_names_the_repository_the_revision_or_the_file(hub, code, message):
    hub.pages["/org/name/resolve/v9/m.onnx"] = status(404, X_Error_Code=code)
    with pytest.raises(IoError, match=message):
        get("hf:org/name@v9/m.onnx")


def test_a_file_beyond_the_limit_is_not_fetched(hub):
    serve_hub(hub, FILES)
    with pytest.raises(LimitExceededError, match="max_bytes is 100"):
        get(max_bytes=100)
    assert hub.asked() == []


@pytest.mark.parametrize(
    ("content", "message"), [(b"{", "is not JSON"), (b"[]", "must hold a JSON object, got list")]
)
def test_a_damaged_configuration_is_an_error(hub, content, message):
    serve_hub(hub, FILES | {"config.json": content})
    with pytest.raises(ModelLoadError, match=rf"hf:org/name: .*config\.json {message}"):
        get()


def test_a_huge_configuration_is_an_error(hub, monkeypatch):
    monkeypatch.setattr(_hub, "MAX_CONFIG_BYTES", 10)
    serve_hub(hub, FILES)
    with pytest.raises(LimitExceededError, match=r"config\.json has [\d]+ bytes, more than 10"):
        get()


def test_http_is_refused_unless_the_endpoint_is_http(hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "https://127.0.0.1:1")
    with pytest.raises(
        IoError,
        match=r"https://127.0.0.1:1/org/name/resolve/main/onnx/model.onnx: the server cannot be reached",
    ):
        get()
    for url in ("ftp://host", "host", "https://me:secret@host"):
        monkeypatch.setenv("HF_ENDPOINT", url)
        with pytest.raises(InvalidParamError, match="HF_ENDPOINT must be a URL"):
            get()


@pytest.mark.parametrize("links", [True, False])
def test_two_processes_make_one_download(hub, other, repo, monkeypatch, links):
    if not links:
        monkeypatch.setenv("HF_HUB_DISABLE_SYMLINKS", "1")
    serve_hub(hub, {"model.onnx": MODEL}, cdn=other)
    other.pages[f"/blobs/{sha256(MODEL)}"] = file(MODEL, wait=0.3)
    assert run_twice(CHILD) == [f"{repo}/snapshots/{COMMIT}/model.onnx\n"] * 2
    assert len(other.requests) == 1


# The cache


def test_the_model_of_the_tests_is_valid():
    onnx.checker.check_model(MODEL)
