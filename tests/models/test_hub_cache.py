"""The cache of the Hub, which transformers shares."""

from __future__ import annotations

import json

import pytest
from hubs import CONFIG, FILES, MODEL, PREPROCESSOR, get, transformers_cache, tree
from web import COMMIT, NEXT, file, serve_hub, sha256, status, web_server

from mmlrs.errors import IoError
from mmlrs.models._hub_cache import HubCache


def test_what_transformers_cached_is_used_without_a_network_and_without_a_copy(repo, no_network):
    transformers_cache(repo, FILES)
    before = tree(repo)
    model = get(f"hf:org/name@{COMMIT}")
    assert model.path == repo / "snapshots" / COMMIT / "onnx" / "model.onnx"
    assert (model.config, model.preprocessor) == (CONFIG, PREPROCESSOR)
    assert tree(repo) == before


@pytest.mark.parametrize("lacking", ["tokenizer.json", "preprocessor_config.json"])
def test_a_network_reads_images_or_text_so_one_of_their_files_completes_a_commit(repo, no_network, lacking):
    transformers_cache(repo, {name: data for name, data in FILES.items() if name != lacking})
    model = get(f"hf:org/name@{COMMIT}")
    assert [model.tokenizer is None, model.preprocessor is None] == [lacking[0] == "t", lacking[0] == "p"]


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
def test_without_an_answer_the_cached_commit_is_used_with_one_warning(repo, hub, other, monkeypatch, how):
    transformers_cache(repo, FILES)
    if how == "no server":
        with web_server() as gone:
            monkeypatch.setenv("HF_ENDPOINT", gone.url)
    elif how == "503":
        hub.pages["/org/name/resolve/main/onnx/model.onnx"] = status(503)
    elif how == "silence":
        monkeypatch.setenv("HF_HUB_ETAG_TIMEOUT", "0.1")
        hub.pages["/org/name/resolve/main/onnx/model.onnx"] = file(MODEL, wait=0.3)
    else:
        serve_hub(hub, {"onnx/model.onnx": MODEL + b"new"}, cdn=other, commit=NEXT)
        other.pages[f"/blobs/{sha256(MODEL + b'new')}"] = file(MODEL + b"new", cuts=[1] * 5, ranges=False)
    with pytest.warns(
        UserWarning, match=f"hf:org/name: http.*; the cached commit {COMMIT} is used"
    ) as caught:
        model = get()
    assert (len(caught), model.commit, model.path.read_bytes()) == (1, COMMIT, MODEL)


def test_without_an_answer_and_without_a_cached_commit_there_is_an_error(hub):
    hub.pages["/org/name/resolve/main/onnx/model.onnx"] = status(503)
    with pytest.raises(
        IoError,
        match=r"answers 503 Service Unavailable; `onnx/model.onnx` or `model.onnx` of hf:org/name is not in the cache",
    ):
        get()
    assert len(hub.requests) == 3


def test_a_hub_that_falls_silent_midway_does_not_mix_two_commits(repo, hub, monkeypatch):
    transformers_cache(repo, FILES | {"config.json": b'{"old": 1}'})
    transformers_cache(repo, {"onnx/model.onnx": MODEL}, NEXT)
    (repo / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr(HubCache, "note_commit", lambda *_: None)  # as in a cache that cannot be written
    serve_hub(hub, FILES, commit=NEXT)
    hub.pages["/org/name/resolve/main/onnx/model.onnx"] = file(
        MODEL, etag=f'"{sha256(MODEL)}"', headers={"X-Repo-Commit": NEXT}
    )
    hub.pages[f"/org/name/resolve/{NEXT}/config.json"] = status(503)
    with pytest.warns(UserWarning, match=f"the cached commit {NEXT} is used"):
        model = get()
    assert (model.commit, model.config) == (NEXT, None)


def test_an_interrupted_download_continues(hub, other, repo):
    serve_hub(hub, {"model.onnx": MODEL}, cdn=other)
    other.pages[f"/blobs/{sha256(MODEL)}"] = file(MODEL, cuts=[1000], etag='"x"')
    assert get().path.read_bytes() == MODEL
    assert other.sent == len(MODEL)


@pytest.mark.parametrize("setting", ["variable", "file system"])
def test_without_links_the_files_themselves_are_in_the_snapshot(hub, repo, monkeypatch, setting):
    if setting == "variable":
        monkeypatch.setenv("HF_HUB_DISABLE_SYMLINKS", "1")
    else:

        def refuse(*_: object) -> None:
            raise PermissionError

        monkeypatch.setattr("os.symlink", refuse)
    serve_hub(hub, FILES)
    model = get()
    assert not model.path.is_symlink()
    assert model.path.read_bytes() == MODEL
    assert list((repo / "blobs").iterdir()) == []
    hub.requests.clear()
    assert get() == model
    assert hub.asked() == []


def test_without_links_an_older_blob_stays_for_its_other_users(hub, repo, monkeypatch):
    transformers_cache(repo, FILES)
    monkeypatch.setenv("HF_HUB_DISABLE_SYMLINKS", "1")
    serve_hub(hub, FILES, commit=NEXT)
    for path in (f"/org/name/resolve/{at}/onnx/model.onnx" for at in ("main", NEXT)):
        hub.pages[path] = file(MODEL, etag=f'"{sha256(MODEL)}"', headers={"X-Repo-Commit": NEXT})
    model = get()
    assert not model.path.is_symlink()
    assert get(f"hf:org/name@{COMMIT}").path.read_bytes() == model.path.read_bytes() == MODEL
    assert hub.asked() == []


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


def test_nothing_is_written_through_a_link_out_of_the_cache(hub, repo, tmp_path):
    (tmp_path / "outside").mkdir()
    repo.mkdir(parents=True)
    (repo / "blobs").symlink_to(tmp_path / "outside")
    serve_hub(hub, FILES)
    with pytest.raises(IoError, match="outside the cache"):
        get()
    assert list((tmp_path / "outside").iterdir()) == []


def test_the_cache_itself_may_be_a_link(hub, cache, tmp_path):
    (tmp_path / "disk").mkdir()
    cache.parent.mkdir(exist_ok=True)
    cache.symlink_to(tmp_path / "disk")
    serve_hub(hub, FILES)
    assert get().path.read_bytes() == MODEL


def test_a_link_without_its_blob_is_fetched_again(hub, repo):
    transformers_cache(repo, FILES)
    (repo / "blobs" / sha256(MODEL)).unlink()
    serve_hub(hub, FILES)
    assert get().path.read_bytes() == MODEL


def test_a_cache_that_is_a_file_is_one_clear_error(hub, cache):
    cache.parent.mkdir(exist_ok=True)
    cache.write_bytes(b"")
    serve_hub(hub, FILES)
    with pytest.raises(IoError, match=r"cannot write .*; set HF_HUB_CACHE to a folder that you may write to"):
        get()


# huggingface_hub
