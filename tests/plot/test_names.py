"""Long names are cut so that they fit, and stay different."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from mmlrs.errors import ColumnNotFoundError
from mmlrs.plot import plot_confusion_matrix, plot_importances, plot_roc, plot_trials, show_images
from mmlrs.plot.axes import shortened_all
from mmlrs.testing import sample_image

#: Equal at both ends, and at more letters than are drawn.
LONG = [f"the northern population of the species number {i} of the genus in the far north" for i in range(30)]


@pytest.mark.parametrize("length", [6, 10, 20, 40])
@pytest.mark.parametrize(
    "names",
    [
        LONG,
        [f"{'x' * 50}{i}{'y' * 50}" for i in range(12)],
        ["a" * n for n in range(1, 90)],
        ["$a b$", "short"],
    ],
    ids=["species", "letters", "lengths", "formula"],
)
def test_names_fit_and_stay_different(names, length):
    short = shortened_all(names, length)
    assert len(set(short)) == len(names)
    assert max(len(text.replace(r"\$", "$")) for text in short) <= length


def test_names_that_fit_are_whole_and_the_others_show_where_they_differ():
    assert shortened_all(["cat", 1.0, "a\nb"], 5) == ["cat", "1", "a b"]
    assert shortened_all([LONG[3], LONG[14]], 20) == ["the no…umber 3 of t…", "the no…umber 14 of …"]
    assert shortened_all(["a name that is far too long", "cat"], 12) == ["a name…long", "cat"]


def test_classes_of_a_matrix_a_curve_and_pictures_stay_different():
    truth = np.arange(3).repeat(5)
    names = np.array(LONG)[truth]
    ax = plot_confusion_matrix((names, names))
    assert len({label.get_text() for label in ax.get_xticklabels()}) == 3
    ax = plot_roc((truth, np.eye(3)[truth]), labels=None)
    scores = np.eye(3)[truth]
    ax = plot_roc((names, scores), labels=LONG[:3])
    assert len({text.get_text() for text in ax.get_legend().get_texts()}) == 5
    figure = show_images(
        [sample_image()] * 3, labels=LONG[:3], predictions=LONG[2:5], probabilities=[0.5] * 3
    )
    lines = [line for axes in figure.axes for line in axes.get_title().split("\n")]
    assert len(set(lines)) == 6
    assert [line.endswith(" 50%") for line in lines] == [False, True] * 3


def test_models_of_scikit_learn_name_their_features():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.random((50, 2)), columns=["age", "income"])
    label = (frame["age"] > 0.5).to_numpy()
    alone = LogisticRegression().fit(frame, label)
    assert plot_importances(alone).get_yticklabels()[0].get_text() == "age"
    assert plot_importances(alone, ["x", "y"]).get_yticklabels()[0].get_text() == "x"
    steps = make_pipeline(PolynomialFeatures(2, include_bias=False), LogisticRegression()).fit(frame, label)
    names = {label.get_text() for label in plot_importances(steps).get_yticklabels()}
    assert names == {"age", "income", "age^2", "age income", "income^2"}
    plain = LogisticRegression().fit(frame.to_numpy(), label)
    assert plot_importances(plain).get_yticklabels()[0].get_text() == "features[0]"


def learners(count: int) -> pa.Table:
    texts = [f"LogisticRegression(regParam={i / 10:.4g}, elasticNetParam=0.5)" for i in range(count)]
    return pa.table(
        {
            "model_name": ["TrainClassifier_a"] * (count - 1) + ["TrainClassifier_b"],
            "learner": [*texts[1:], "OneVsRest(classifier=LinearSVC(regParam=0.1))"],
            "metric": np.linspace(0.5, 0.9, count),
        }
    )


def test_trials_have_the_names_of_their_learners_where_there_is_room():
    ax = plot_trials(learners(4))
    texts = [label.get_text() for label in ax.get_xticklabels()]
    assert [text.startswith("LogisticRegr") for text in texts] == [True, True, True, False]
    assert [f"Param=0.{i}," in text for i, text in enumerate(texts[:3], 1)] == [True] * 3
    assert texts[3].startswith("OneVsRest")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["LogisticRegression", "OneVsRest"]
    many = plot_trials(learners(40))
    assert not any("regParam" in label.get_text() for label in many.get_xticklabels())
    assert many.get_xlabel() == "trial"


def test_no_column_is_suggested_for_missing_labels():
    table = pa.table({"income": ["a", "b"], "probability": [0.1, 0.9], "predictedLabel": ["a", "b"]})
    with pytest.raises(
        ColumnNotFoundError, match="column `label`: not found; name the column of the true labels"
    ):
        plot_roc(table)
