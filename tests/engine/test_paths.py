"""Paths may be objects and begin at home, everywhere; what is saved names no path of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

import mmlrs
from mmlrs.errors import InvalidParamError, IoError
from mmlrs.image import ImageFeaturizer
from mmlrs.models import ModelHandle, model_info
from mmlrs.onnx import ONNXModel
from mmlrs.stages import MultiColumnAdapter, SelectColumns
from mmlrs.testing import sample_model, sample_tokenizer
from mmlrs.text import HuggingFaceTokenizer, UnicodeNormalize

ROWS = pa.table({"x": [[1.0, 2.0, 3.0, 4.0]]})


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "model.onnx").write_bytes(sample_model())
    (tmp_path / "tokenizer.json").write_bytes(sample_tokenizer())
    return tmp_path


@pytest.mark.parametrize("form", ["object", "home", "home object", "text", "URI", "short URI"])
def test_a_model_and_a_file_are_found_by_every_form_of_path(home, form):
    def path(name: str):
        return {
            "object": home / name,
            "home": f"~/{name}",
            "home object": Path("~") / name,
            "text": f"{home}/{name}",
            "URI": f"file://{home}/{name}",
            "short URI": f"file:{home}/{name}",
        }[form]

    expected = ONNXModel(model=sample_model()).transform(ROWS)
    assert ONNXModel(model=path("model.onnx")).transform(ROWS).equals(expected)
    assert ModelHandle.from_uri(path("model.onnx")).read() == sample_model()
    assert model_info(path("model.onnx"))["inputs"][0]["name"] == "x"
    stage = HuggingFaceTokenizer(inputCol="t", tokenizer=path("tokenizer.json"), maxLength=8)
    assert stage.transform(pa.table({"t": ["the cat"]})).num_rows == 1


def test_a_handle_takes_a_path_of_every_form(home):
    for path in (home / "model.onnx", "~/model.onnx", Path("~/model.onnx")):
        handle = ModelHandle(path=path)
        assert handle == ModelHandle(path=str(home / "model.onnx"))
        assert ONNXModel(model=handle).transform(ROWS).num_rows == 1


@pytest.mark.parametrize("path", [Path("~/saved"), "~/saved", "file:{home}/saved", "file://{home}/saved"])
def test_a_stage_is_saved_and_loaded_by_every_form_of_path(home, no_session, path):
    if isinstance(path, str):
        path = path.format(home=home)
    SelectColumns(cols=["x"]).save(path)
    assert (home / "saved" / "metadata" / "part-00000").exists()
    assert SelectColumns.load(path).getCols() == ["x"]
    SelectColumns(cols=["y"]).write().overwrite().save(path)
    assert SelectColumns.read().load(path).getCols() == ["y"]


@pytest.mark.parametrize("path", [7, None, b"saved"])
def test_what_is_no_path_is_named(no_session, path):
    with pytest.raises(InvalidParamError, match="SelectColumns: the path to save to must be a path"):
        SelectColumns(cols=["x"]).save(path)
    with pytest.raises(InvalidParamError, match="SelectColumns: the path to load from must be a path"):
        SelectColumns.load(path)


def changed(folder: Path, change) -> None:
    """Change the metadata of a saved stage as somebody might who wants it to read another file."""
    part = folder / "metadata" / "part-00000"
    metadata = json.loads(part.read_text())
    change(metadata["paramMap"])
    part.write_text(json.dumps(metadata))


@pytest.mark.parametrize(
    "value",
    ["/etc/passwd", "http://example.com/model.onnx", {"path": "/etc/passwd"}, {"sha256": "../../x"}, 7],
)
def test_a_saved_stage_cannot_name_a_file_to_read(tmp_path, no_session, value):
    path = tmp_path / "saved"
    ONNXModel(model=sample_model()).save(path)
    changed(path, lambda params: params.update(model=value))
    with pytest.raises(IoError, match="ONNXModel: param `model` must be content under its SHA-256, got"):
        ONNXModel.load(path)


def test_a_saved_stage_cannot_describe_the_stages_within(tmp_path, no_session):
    path = tmp_path / "saved"
    inner = UnicodeNormalize()
    MultiColumnAdapter(baseStage=inner, inputCols=["a"], outputCols=["b"]).save(path)
    described = {"class": "mmlrs.onnx.ONNXModel", "params": {"model": "/etc/passwd"}}
    changed(path, lambda params: params.update(baseStage=described))
    with pytest.raises(
        IoError, match="MultiColumnAdapter: param `baseStage` must be stages in separate folders"
    ):
        MultiColumnAdapter.load(path)


def test_a_default_model_survives_being_saved(tmp_path, no_session):
    path = tmp_path / "saved"
    stage = ImageFeaturizer(outputCol="v")
    stage.save(path)
    picture = pa.table({"image": [mmlrs.testing.sample_image("png")]})
    assert ImageFeaturizer.load(path).transform(picture).equals(stage.transform(picture))
