"""The model that a study leaves behind gives each picture a score or a reason, and is the same after it was saved."""

from __future__ import annotations

import io
import json

import numpy as np
import pyarrow as pa
import pytest
from memory_cards import brightness_model, picture, study_model
from PIL import Image, ImageOps

import mmlrs
from mmlrs.errors import ColumnNotFoundError, DecodeError, InvalidParamError, IoError, SchemaMismatchError
from mmlrs.examples.camera_traps.saved_study import StudyModel
from mmlrs.image import ImageTransformer, UnrollImage


def table(*files: bytes | None) -> pa.Table:
    names = [f"{place}.jpg" for place in range(len(files))]
    return pa.table({"file": names, "image": pa.array(files, pa.binary())})


def test_a_score_is_the_models_probability_and_a_failed_picture_has_a_reason_instead():
    scored = study_model().score(table(picture(1), b"", picture(2), picture(3)[:200], None))
    expected = brightness_model().transform(table(picture(1), picture(2)))["probability"]
    first, third = (expected[place].as_py()["values"][1] for place in (0, 1))
    assert first > 0.9 > 0.1 > third
    assert scored["probability"].to_pylist() == [first, None, third, None, None]
    failures = scored["failure"].to_pylist()
    assert [failures[0], failures[2]] == [None, None]
    assert failures[1] == "not an image: 0 bytes"
    assert failures[3].startswith("truncated JPEG")
    assert failures[4] == "value is null"


def test_with_flips_the_score_is_the_mean_of_the_picture_and_its_mirror_image():
    lossless = io.BytesIO()
    Image.open(io.BytesIO(picture(5, brightness=80))).save(lossless, "PNG")
    mirrored = io.BytesIO()
    ImageOps.mirror(Image.open(lossless)).save(mirrored, "PNG")
    both = study_model().score(table(lossless.getvalue(), mirrored.getvalue()))["probability"].to_numpy()
    averaged = study_model(flips=True).score(table(lossless.getvalue(), b"x"))
    assert abs(both[0] - both[1]) > 1e-6
    assert averaged["probability"].to_pylist() == [pytest.approx(both.mean(), abs=1e-12), None]
    assert averaged["failure"][1].as_py().startswith("not an image")


def test_trees_that_score_missing_features_do_not_score_failed_pictures():
    from sklearn.ensemble import HistGradientBoostingClassifier

    small = ImageTransformer(inputCol="image", outputCol="small").resize(4, 6)
    pixels = UnrollImage(inputCol="small", outputCol="features")
    features = np.stack(
        pixels.transform(small.transform(table(*map(picture, range(40)))))["features"].to_numpy()
    )
    trees = HistGradientBoostingClassifier(max_iter=3).fit(features, np.arange(40) % 2)
    model = mmlrs.compile([small, pixels, mmlrs.from_estimator(trees, featuresCol="features")])
    scored = StudyModel(model, "cat").score(table(picture(1), b"x"))
    assert scored["probability"].is_null().to_pylist() == [False, True]
    assert scored["failure"].is_null().to_pylist() == [True, False]


def test_a_written_model_is_the_same_when_it_is_read(tmp_path):
    model = study_model(threshold=0.37, gap_seconds=60.0, flips=True, variant="RN2+A+E", network="tiny")
    model.write(tmp_path / "model")
    about = json.loads((tmp_path / "model" / "study.json").read_text())
    assert about == {
        "format": 1,
        "target": "cat",
        "threshold": 0.37,
        "targetClass": "1",
        "imageCol": "image",
        "probabilityCol": "probability",
        "gapSeconds": 60.0,
        "flips": True,
        "variant": "RN2+A+E",
        "model": "tiny",
    }
    for path in (tmp_path / "model", tmp_path):
        read = StudyModel.read(path)
        assert read.identity == model.identity
        files = table(picture(1), picture(2))
        assert read.score(files).equals(model.score(files))


def test_what_changes_scores_changes_the_identity():
    same, known = study_model(), study_model().identity
    assert same.identity == known
    assert study_model(flips=True).identity != known
    assert study_model(threshold=0.4).identity != known
    stages = brightness_model()._value("stages")
    other = mmlrs.compile([stages[0].copy({"interpolation": "area"}), *stages[1:]])
    assert StudyModel(other, "cat").identity != known


def test_a_model_is_not_replaced_unless_that_is_asked_for(tmp_path):
    study_model().write(tmp_path)
    with pytest.raises(IoError, match="holds a model already; pass overwrite=True"):
        study_model().write(tmp_path)
    study_model(threshold=0.9).write(tmp_path, overwrite=True)
    assert StudyModel.read(tmp_path).threshold == 0.9


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"threshold": 1.5}, "param `threshold` must be a number from 0 to 1, got 1.5"),
        ({"threshold": True}, "param `threshold` must be a number"),
        (
            {"gap_seconds": -1},
            "param `gap_seconds` must be a number of seconds from 0 to 1,000,000,000, or None",
        ),
        ({"gap_seconds": 10**400}, "param `gap_seconds` must be a number of seconds"),
        ({"threshold": float("nan")}, "param `threshold` must be a number from 0 to 1, got nan"),
        ({"flips": 1}, "param `flips` must be True or False"),
        ({"target_class": "cat"}, "param `target_class` must be a place in the vector of probabilities"),
        ({"target_class": "2"}, "param `target_class`: the vectors of `probability` have 2 values"),
        ({"image_col": "picture"}, "param `image_col`: the model reads no column `picture`"),
        ({"probability_col": "score"}, "the model adds no column `score`; it adds `small`"),
    ],
)
def test_a_wrong_field_is_one_error(given, problem):
    with pytest.raises((InvalidParamError, ColumnNotFoundError), match=problem):
        study_model(**given).score(table(picture(1)))


def test_the_target_is_one_of_the_labels_of_a_model_that_has_labels():
    model = brightness_model().copy({"labels": ["cat", "other"]})
    scored = StudyModel(model, "cat", target_class="cat").score(table(picture(0)))
    assert scored["probability"][0].as_py() > 0.9
    with pytest.raises(
        InvalidParamError, match="must be one of the labels of the model, 'cat', 'other', got '1'"
    ):
        StudyModel(model, "cat")


def test_a_target_is_something():
    with pytest.raises(InvalidParamError, match="`target` must be something to look for"):
        StudyModel(brightness_model(), "Empty")


def test_a_model_that_is_none_and_a_column_that_holds_no_vectors_are_errors():
    with pytest.raises(InvalidParamError, match=r"`model` must be a CompiledModel.*mmlrs.compile"):
        StudyModel("model", "cat")  # type: ignore[arg-type]
    with pytest.raises(SchemaMismatchError, match="`prediction` of the model must hold vectors"):
        study_model(probability_col="prediction").score(table(picture(1)))
    with pytest.raises(ColumnNotFoundError, match="no column `image`"):
        study_model().score(pa.table({"file": ["1.jpg"]}))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "is not JSON"),
        ('{"format": 2, "target": "cat", "threshold": 0.5}', "`format` must be 1, got 2; a newer mmlrs"),
        ('{"format": 1, "threshold": 0.5}', "has no `target`"),
        ('{"format": 1, "target": "cat", "threshold": "x"}', "param `threshold` must be a number"),
    ],
)
def test_a_damaged_study_is_one_error_that_names_the_file(content, problem, tmp_path):
    study_model().write(tmp_path)
    (tmp_path / "study.json").write_text(content)
    with pytest.raises(DecodeError, match=problem) as caught:
        StudyModel.read(tmp_path)
    assert "study.json" in str(caught.value)


def test_a_folder_without_a_study_is_one_error(tmp_path):
    with pytest.raises(IoError, match=r"holds no model of a study, because it has no study\.json"):
        StudyModel.read(tmp_path)
