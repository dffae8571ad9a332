"""Repositories: what they list, what stages make of their models, and what wrong files and manifests get."""

from __future__ import annotations

import json
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pytest
from hubs import network as adding
from onnx import numpy_helper
from repositories import LABELS, MEANS, PREPROCESSING, described, manifest, means, write
from web import sha256

from mmlrs.errors import InvalidParamError, IoError, LimitExceededError, ModelLoadError
from mmlrs.image import ImageClassifier, ImageFeaturizer
from mmlrs.models import ModelHandle, ModelRepository
from mmlrs.models._manifest import MAX_MANIFEST_BYTES, parsed, written
from mmlrs.onnx import ONNXModel
from mmlrs.testing import sample_image, sample_model, sample_text_model, sample_tokenizer
from mmlrs.text import HuggingFaceTokenizer, TextEmbedder

TABLE = pa.table({"image": [sample_image("png")]})
ENTRY = described(
    MEANS, task="image-classification", licence="MIT", preprocessing=PREPROCESSING, labels=LABELS
)


@pytest.fixture
def folder(tmp_path) -> Path:
    return write(tmp_path / "models", {"net/model.onnx": MEANS}, ENTRY)


@pytest.fixture
def repository(folder) -> ModelRepository:
    return ModelRepository(folder)


# -- what there is ----------------------------------------------------------------------------------------------------


def test_models_are_listed_by_task_and_found_in_any_case(repository):
    assert [model.name for model in repository.list("image-classification")] == ["net"]
    info = repository.info("NET")
    assert (info.licence, info.labels, info.size) == ("MIT", tuple(LABELS), len(MEANS))
    assert info.preprocessing.means == (0.5, 0.5, 0.5)
    with pytest.raises(
        InvalidParamError, match="param `task` must be 'image-classification', got 'sentence-embedding'"
    ):
        repository.list("sentence-embedding")


def test_an_unknown_name_is_an_error_with_those_that_there_are(repository):
    with pytest.raises(
        InvalidParamError, match=r"^ModelRepository\('.*'\) has no model `nett`; did you mean `net`\?"
    ):
        repository.load("nett")
    with pytest.raises(InvalidParamError, match="has no model `x`; its models are net"):
        repository.info("x")


def test_a_folder_without_a_manifest_is_an_error(tmp_path):
    with pytest.raises(IoError, match=r"is not a repository: it has no mmlrs-models\.json"):
        ModelRepository(tmp_path).list()


def test_a_file_uri_is_a_folder_and_files_are_used_where_they_are(folder):
    repository = ModelRepository(folder.as_uri())
    assert repository == ModelRepository(str(folder) + "/")
    assert repository.download("net") == folder / "net" / "model.onnx"


@pytest.mark.parametrize(
    ("location", "cause"),
    [
        ("", "must be a folder or URL"),
        ("hf:org/name", 'as model="hf:org/name"'),
        (7, "must be a path"),
        ("http://example.com/models", "http is not encrypted"),
        ("https://user:secret@example.com/models", "has a user name or password"),
    ],
)
def test_a_wrong_location_is_an_error(location, cause):
    with pytest.raises(InvalidParamError, match=cause) as caught:
        ModelRepository(location)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("setting", [{"allow_http": 1}, {"max_bytes": 0}, {"max_bytes": True}])
def test_a_wrong_setting_is_an_error(tmp_path, setting):
    with pytest.raises(InvalidParamError, match=f"ModelRepository: param `{next(iter(setting))}` must be"):
        ModelRepository(tmp_path, **setting)


# -- in stages --------------------------------------------------------------------------------------------------------


def by_hand() -> np.ndarray:
    stage = ImageFeaturizer(
        model=MEANS, outputCol="s", headless=False, imageHeight=16, imageWidth=16, colorScaleFactor=1 / 255,
        channelNormalizationMeans=[0.5] * 3, channelNormalizationStds=[0.25] * 3,
    )  # fmt: skip
    return np.array(stage.transform(TABLE)["s"][0].as_py())


def test_preprocessing_and_labels_come_from_the_manifest(repository):
    handle = repository.load("Net")
    scores = ImageFeaturizer(model=handle, outputCol="s", headless=False).transform(TABLE)["s"][0].as_py()
    np.testing.assert_allclose(scores, by_hand(), rtol=1e-6)
    [objects] = ImageClassifier(model=handle, outputCol="o").transform(TABLE)["o"].to_pylist()
    expected = np.exp(by_hand()) / np.exp(by_hand()).sum()
    assert {answer["class"]: pytest.approx(answer["probability"], rel=1e-5) for answer in objects} == dict(
        zip(LABELS, expected, strict=True)
    )


def test_a_model_of_numbers_runs_as_its_file_does(tmp_path):
    write(tmp_path, {"m.onnx": sample_model()}, described(sample_model(), "m.onnx"))
    handle = ModelRepository(tmp_path).load("net")
    table = pa.table({"x": [[1.0, 2.0, 3.0, 4.0]]})
    made, expected = (
        ONNXModel(model=model, inputCol="x", outputCol="y").transform(table)
        for model in (handle, sample_model())
    )
    assert made.equals(expected)


def test_the_tokenizer_comes_with_the_model(tmp_path):
    text, words = sample_text_model(), sample_tokenizer()
    tokenizer = {
        "path": "t.json",
        "sha256": sha256(words),
        "size": len(words),
    }
    write(tmp_path, {"m.onnx": text, "t.json": words}, described(text, "m.onnx", tokenizer=tokenizer))
    handle = ModelRepository(tmp_path).load("net")
    table = pa.table({"t": ["the cat"]})
    stage = TextEmbedder(inputCol="t", outputCol="v", model=handle, maxLength=16)
    expected = TextEmbedder(inputCol="t", outputCol="v", model=text, tokenizer=words, maxLength=16)
    assert stage.transform(table)["v"].equals(expected.transform(table)["v"])
    assert HuggingFaceTokenizer(inputCol="t", tokenizer=handle).getTokenizer().read() == words
    with pytest.raises(InvalidParamError, match="param `tokenizer` must be set, because `model` is set"):
        stage.setModel(text).transform(table)


def test_a_model_without_a_tokenizer_says_so(tmp_path):
    text = sample_text_model()
    write(tmp_path, {"m.onnx": text}, described(text, "m.onnx"))
    stage = TextEmbedder(inputCol="t", model=ModelRepository(tmp_path).load("net"), maxLength=16)
    with pytest.raises(ModelLoadError, match="the model `net` has no tokenizer; set tokenizer to a file"):
        stage.transform(pa.table({"t": ["a"]}))


def test_a_handle_is_small_and_survives_a_pickle(repository):
    handle = repository.load("net")
    data = pickle.dumps(handle)
    assert len(data) < 500
    assert pickle.loads(data) == handle
    assert repr(handle) == f"ModelHandle(name='net', repository={repository!r})"
    with pytest.raises(InvalidParamError, match="param `repository` needs the `name` of a model"):
        ModelHandle(path="x.onnx", repository=repository)


def test_a_saved_stage_needs_no_repository(repository, folder, tmp_path):
    stage = ImageClassifier(model=repository.load("net"), outputCol="o")
    expected = stage.transform(TABLE)
    stage.save(str(tmp_path / "saved"))
    for path in folder.rglob("*.*"):
        path.unlink()
    assert ImageClassifier.load(str(tmp_path / "saved")).transform(TABLE).equals(expected)


# -- wrong files ------------------------------------------------------------------------------------------------------


def test_a_changed_file_is_refused_before_use_also_through_an_older_handle(repository, folder):
    handle = repository.load("net")
    (folder / "net" / "model.onnx").write_bytes(MEANS[:-1] + b"\0")
    for work in (
        lambda: repository.load("net"),
        lambda: ImageClassifier(model=handle, outputCol="o").transform(TABLE),
    ):
        with pytest.raises(
            ModelLoadError, match=r"the SHA-256 of the file is .*, but the manifest has .*; copy"
        ):
            work()


def test_a_missing_file_is_an_error_with_its_path(repository, folder):
    (folder / "net" / "model.onnx").unlink()
    with pytest.raises(IoError, match=r"the file .*/net/model\.onnx does not exist; copy it there"):
        repository.load("net")


@pytest.mark.parametrize("what", ["file", "folder", "manifest"])
def test_a_link_out_of_the_folder_is_refused(repository, folder, tmp_path, what):
    path = {
        "file": folder / "net/model.onnx",
        "folder": folder / "net",
        "manifest": folder / "mmlrs-models.json",
    }[what]
    path.rename(tmp_path / "outside")
    path.symlink_to(tmp_path / "outside")
    with pytest.raises(
        IoError, match=r"is a link to .*outside.*, outside the repository .*; replace the link"
    ):
        repository.load("net")


def test_a_pickle_is_refused_and_not_run(tmp_path):
    class Attack:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "attacked"),)

    data = pickle.dumps(Attack())
    write(tmp_path, {"m.onnx": data}, described(data, "m.onnx"))
    with pytest.raises(
        ModelLoadError, match=r"m\.onnx is a pickle, not an ONNX file; pickles are never read"
    ):
        ModelRepository(tmp_path).load("net")
    assert not (tmp_path / "attacked").exists()


def test_weights_beside_the_file_are_refused_because_nothing_checks_them(tmp_path):
    data = adding("weights.bin")
    write(tmp_path, {"m.onnx": data, "weights.bin": b"\0" * 1600}, described(data, "m.onnx"))
    with pytest.raises(ModelLoadError, match=r"keeps weights in the file 'weights.bin'.*`publish` makes one"):
        ModelRepository(tmp_path).load("net")


# -- wrong manifests --------------------------------------------------------------------------------------------------


def changed(**fields: object) -> bytes:
    return manifest({**ENTRY, **fields})


def file_with(**fields: object) -> bytes:
    return changed(file={**ENTRY["file"], **fields})


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"", "the manifest is not JSON"),
        (b"\xff\xfe", "the manifest is not JSON"),
        (b"[" * 100_000, "the manifest is not JSON"),
        (b"[]", 'not a manifest: `format` must be "mmlrs-models"'),
        (manifest(version=2), "`version` must be 1, got 2; install a newer mmlrs"),
        (manifest(version="1"), "`version` must be 1, got '1'"),
        (manifest(models={}), "`models` must be a list"),
        (manifest("net"), "model 0 must be an object, got 'net'"),
        (manifest({"name": "net"}), "model 0 `net`: `file` is missing"),
        (manifest({"file": ENTRY["file"]}), "model 0: `name` is missing"),
        (manifest(ENTRY, {**ENTRY, "name": "NET"}), "model 1: `name`: there is another model `NET`"),
        (changed(name="../net"), "model 0 `../net`: `name` must consist of letters"),
        (changed(name=7), "model 0: `name` must be a text, got 7"),
        (changed(licence=None), "`net`: `licence` must be a text"),
        (changed(url="x"), "`net`: unknown field 'url'; the fields are dataset, "),
        (file_with(path="../model.onnx"), r"`file` has the path '../model.onnx', which contains the part"),
        (file_with(path="/etc/model.onnx"), "which is not a relative path"),
        (file_with(path="C:\\model.onnx"), "which contains a backslash"),
        (file_with(path="model.pth"), "only .onnx files are read"),
        (file_with(sha256="abc"), "`file` has the sha256 'abc', which is not 64 hex digits"),
        (file_with(size=-1), "`file` has the size -1, which is not a number of bytes"),
        (file_with(size=True), "`file` has the size True"),
        (file_with(etag="x"), "`file` has an unknown field 'etag'"),
        (changed(file="net/model.onnx"), "`file` must be an object"),
        (changed(tokenizer={**ENTRY["file"], "path": "t.pkl"}), "`tokenizer` has the path 't.pkl', but only .json"),
        (changed(labels="red"), "`labels` must be a list of texts, got 'red'"),
        (changed(labels=["red", 1, 2]), "`labels` must be a list of texts"),
        (changed(descriptions=["one"]), "`descriptions` has 1 names for 3 labels"),
        (changed(scores="softmax"), "`scores` must be 'logits' or 'probabilities' or 'multi-label'"),
        (changed(preprocessing=[]), "`preprocessing` must be an object"),
        (changed(preprocessing={"height": 1}), "`preprocessing` has no `means`"),
        (changed(preprocessing={**PREPROCESSING, "stds": [0, 1, 1]}), "one `stds` above 0 for each channel"),
        (changed(preprocessing={**PREPROCESSING, "means": [0, 1]}), "which are not 1 or 3 numbers"),
        (changed(preprocessing={**PREPROCESSING, "height": 0}), "the height 0, which is not a number of pixels"),
        (changed(preprocessing={**PREPROCESSING, "scale": "1"}), "the scale '1', which is not a number above 0"),
        (changed(preprocessing={**PREPROCESSING, "channelOrder": "gbr"}), "the channelOrder 'gbr'"),
        (changed(preprocessing={**PREPROCESSING, "size": 3}), "an unknown field 'size'"),
    ],
)  # fmt: skip
def test_a_wrong_manifest_is_one_error_that_names_the_entry_and_the_field(tmp_path, data, cause):
    (tmp_path / "mmlrs-models.json").write_bytes(data)
    with pytest.raises(ModelLoadError) as caught:
        ModelRepository(tmp_path).list()
    assert str(caught.value).startswith(str(tmp_path / "mmlrs-models.json"))
    assert cause in str(caught.value)


def test_a_huge_manifest_is_an_error(tmp_path):
    with (tmp_path / "mmlrs-models.json").open("wb") as file:
        file.truncate(MAX_MANIFEST_BYTES + 1)
    with pytest.raises(LimitExceededError, match="the manifest has more than 16,777,216 bytes"):
        ModelRepository(tmp_path).list()


# -- publishing -------------------------------------------------------------------------------------------------------


def test_a_published_model_has_the_settings_that_were_given(tmp_path):
    repository = ModelRepository(tmp_path / "new")
    info = repository.publish(
        MEANS, name="net", task="image-classification", licence="MIT", preprocessing=PREPROCESSING, labels=LABELS,
        descriptions=np.array(["Red", "Green", "Blue"]), scores="logits",
    )  # fmt: skip
    assert info == repository.info("net")
    assert (info.descriptions, info.scores, info.preprocessing.stds) == (
        ("Red", "Green", "Blue"),
        "logits",
        (0.25,) * 3,
    )
    assert repository.download("net").read_bytes() == MEANS
    stage = ImageFeaturizer(model=repository.load("net"), outputCol="s", headless=False)
    np.testing.assert_allclose(stage.transform(TABLE)["s"][0].as_py(), by_hand(), rtol=1e-6)
    assert not list((tmp_path / "new").rglob(".*")), "a temporary file was left"


def test_weights_beside_the_file_become_part_of_it(tmp_path):
    (tmp_path / "m.onnx").write_bytes(adding("weights.bin"))
    (tmp_path / "weights.bin").write_bytes(np.arange(400, dtype=np.float32).tobytes())
    repository = ModelRepository(tmp_path / "new")
    repository.publish(tmp_path / "m.onnx", name="net")
    model = onnx.ModelProto.FromString(repository.load("net").read())
    np.testing.assert_array_equal(numpy_helper.to_array(model.graph.initializer[0]), np.arange(400))
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(ModelLoadError, match=r"external data `weights.bin` is missing in"):
        repository.publish(tmp_path / "m.onnx", name="other")
    assert [model.name for model in repository.list()] == ["net"]


def test_a_model_of_a_package_is_published_with_all_that_is_known(tmp_path):
    repository = ModelRepository(tmp_path)
    info = repository.publish("minilm", name="words")
    assert (info.task, info.licence, info.dataset) == (
        "sentence-embedding",
        "Apache-2.0",
        "1.17 billion pairs of sentences",
    )
    stage = TextEmbedder(inputCol="t", outputCol="v", model=repository.load("words"))
    table = pa.table({"t": ["a small cat"]})
    assert stage.transform(table)["v"].equals(TextEmbedder(inputCol="t", outputCol="v").transform(table)["v"])


def test_a_model_is_replaced_only_if_told_so(tmp_path):
    repository = ModelRepository(tmp_path)
    old = repository.publish(MEANS, name="net")
    with pytest.raises(
        InvalidParamError, match="has a model `net`; choose another name, or set overwrite=True"
    ):
        repository.publish(sample_model(), name="NET")
    assert repository.load("net").read() == MEANS
    new = repository.publish(sample_model(), name="NET", overwrite=True)
    assert [model.name for model in repository.list()] == ["NET"]
    assert repository.load("net").read() == sample_model()
    assert not (tmp_path / old.file.path).exists()
    assert (tmp_path / new.file.path).exists()


def test_models_that_are_published_at_once_are_all_listed(tmp_path):
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda i: ModelRepository(tmp_path).publish(MEANS, name=f"net{i}"), range(6)))
    assert [model.name for model in ModelRepository(tmp_path).list()] == [f"net{i}" for i in range(6)]


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ({"name": "con"}, "which is a device on Windows"),
        ({"name": "a/b"}, "`name` must consist of at most 100 letters"),
        ({"labels": ["red"]}, "param `labels` has 1 labels, but the output `scores` has 3 values"),
        ({"labels": "red"}, "param `labels` must be a list of texts, got 'red'"),
        ({"labels": [1, 2, 3]}, "`labels` must be a list of texts"),
        ({"labels": LABELS, "descriptions": ["x"]}, "`descriptions` has 1 names for 3 labels"),
        ({"preprocessing": {"height": 1}}, "`preprocessing` has no"),
        ({"preprocessing": object()}, "a value cannot be written as JSON"),
        ({"scores": "x"}, "`scores` must be"),
        ({"tokenizer": 7}, "param `tokenizer` must be a path"),
        ({"model": 7}, "param `model` must be a path"),
        ({"model": "efficientnet-lite0", "labels": LABELS}, "param `labels` cannot be set for `efficientnet-lite0`"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_an_error_and_nothing_is_written(tmp_path, given, cause):
    arguments = {"name": "net", "model": MEANS, **given}
    with pytest.raises(InvalidParamError) as caught:
        ModelRepository(tmp_path / "new").publish(arguments.pop("model"), **arguments)
    assert str(caught.value).startswith("ModelRepository.publish: ")
    assert cause in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_settings_that_would_not_count_are_refused(tmp_path):
    model = means()
    entry = model.metadata_props.add()
    entry.key, entry.value = "mmlrs.image", json.dumps({"labels": ["a", "b", "c"]})
    with pytest.raises(InvalidParamError, match="`labels` cannot be set: the model has settings of its own"):
        ModelRepository(tmp_path).publish(model, name="net", labels=LABELS)


def test_a_damaged_model_is_not_published(tmp_path):
    with pytest.raises(ModelLoadError, match="is not an ONNX model"):
        ModelRepository(tmp_path / "new").publish(b"\x80\x04K\x01.", name="net")
    assert not (tmp_path / "new").exists()


def test_a_folder_that_links_elsewhere_is_not_written_to(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "net").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IoError, match="is a link to the outside of"):
        ModelRepository(tmp_path / "new").publish(MEANS, name="net")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_manifest_is_written_as_it_is_read(repository, folder):
    models = parsed((folder / "mmlrs-models.json").read_bytes(), "m")
    assert parsed(written(models), "m") == models
