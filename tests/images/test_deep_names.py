"""`DeepImagePredictor` and `DeepImageFeaturizer`: the results of `ImageClassifier` and `ImageFeaturizer`."""

from __future__ import annotations

import json

import fixed_filters
import numpy as np
import pyarrow as pa
import pytest

from mmlrs.errors import InvalidParamError
from mmlrs.image import DeepImageFeaturizer, DeepImagePredictor, ImageClassifier, ImageFeaturizer
from mmlrs.testing import sample_image

TABLE = pa.table({"image": [sample_image("jpeg"), sample_image("png")]})
LITE = "efficientnet-lite0"


def column(stage) -> list:
    return stage.transform(TABLE)["out"].to_pylist()


def test_the_predictor_answers_like_the_classifier():
    predictor = DeepImagePredictor(
        inputCol="image", outputCol="out", modelName=LITE, decodePredictions=True, topK=10
    )
    assert column(predictor) == column(ImageClassifier(outputCol="out", topK=10))
    assert [len(answer) for answer in column(predictor)] == [10, 10]


def test_without_decoding_it_gives_the_probabilities_of_all_classes():
    rows = np.array(column(DeepImagePredictor(inputCol="image", outputCol="out")))
    assert rows.shape == (2, 1000)
    np.testing.assert_allclose(rows.sum(axis=1), 1, rtol=1e-5)
    best = [answer[0]["probability"] for answer in column(ImageClassifier(outputCol="out", topK=1))]
    np.testing.assert_allclose(rows.max(axis=1), best, rtol=1e-6)


def test_the_featurizer_gives_the_features_of_image_featurizer():
    ours = column(DeepImageFeaturizer(inputCol="image", outputCol="out", modelName=LITE))
    assert ours == column(ImageFeaturizer(outputCol="out"))


@pytest.mark.parametrize("cls", [DeepImageFeaturizer, DeepImagePredictor])
def test_an_unknown_name_is_an_error_of_the_param(cls):
    with pytest.raises(InvalidParamError, match=rf"{cls.__name__}: param `modelName` .*efficientnet-lite0"):
        cls(inputCol="image", modelName="efficientnet-lite9")


def test_a_network_without_class_scores_is_an_error_of_the_param():
    with pytest.raises(InvalidParamError, match="DeepImagePredictor: param `modelName` cannot be used: "):
        column(DeepImagePredictor(outputCol="out", modelName=fixed_filters.build()))


def test_saved_stages_contain_the_model(tmp_path):
    path = str(tmp_path / "predictor")
    stage = DeepImagePredictor(outputCol="out", modelName=LITE, decodePredictions=True, topK=1)
    stage.write().save(path)
    loaded = DeepImagePredictor.load(path)
    assert loaded.getModelName().name is None
    assert column(loaded) == column(stage)


def test_a_network_whose_features_are_unknown_names_the_stage_that_can_be_told():
    model = fixed_filters.build()
    [settings] = [entry for entry in model.metadata_props if entry.key == "mmlrs.image"]
    settings.value = json.dumps({"layerNames": ["scores"]})
    with pytest.raises(InvalidParamError, match=r"param `modelName` cannot be used: .* use ImageFeaturizer"):
        column(DeepImageFeaturizer(outputCol="out", modelName=model))
