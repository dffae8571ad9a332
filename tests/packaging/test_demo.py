"""The demo's pictures and its numbers."""

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score, roc_curve

from mmlrs import demo


@pytest.fixture(scope="module")
def scores() -> demo.Scores:
    """Noisy scores with ties."""
    rng = np.random.default_rng(0)
    is_face = rng.random(200) < 0.4
    probability = np.round(np.clip(is_face * 0.3 + rng.random(200) * 0.7, 0, 1), 2)
    return demo.Scores([f"{i}.jpg" for i in range(200)], is_face, probability)


def test_auc_is_scikit_learns(scores):
    assert scores.auc() == pytest.approx(roc_auc_score(scores.is_face, scores.probability))


def test_roc_curve_is_scikit_learns(scores):
    false_positives, true_positives, _ = roc_curve(
        scores.is_face, scores.probability, drop_intermediate=False
    )
    np.testing.assert_allclose(scores.roc(), (false_positives, true_positives))


def test_pictures_are_written_in_labelled_folders_in_both_formats(tmp_path):
    small = list(demo.small_pictures())
    counts = demo.write_pictures(tmp_path, small[:6] + small[-5:])
    assert counts == {"face": 6, "other": 5}
    for label, count in counts.items():
        files = list((tmp_path / f"label={label}").iterdir())
        assert len(files) == count
        assert {Image.open(file).format for file in files} == {"JPEG", "PNG"}


def test_the_format_does_not_tell_the_label():
    pictures = [*demo.small_pictures(), *demo.photograph_pictures(np.random.default_rng(demo.SEED))]
    faces = [index % 2 for index, picture in enumerate(pictures) if picture.label == "face"]
    assert 0.4 < np.mean(faces) < 0.6


def test_every_picture_has_its_own_name():
    pictures = [*demo.small_pictures(), *demo.photograph_pictures(np.random.default_rng(demo.SEED))]
    assert len({picture.name for picture in pictures}) == len(pictures)
