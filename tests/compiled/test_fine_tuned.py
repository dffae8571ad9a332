"""Compiled networks with a trained head: the columns, classes and policies of the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import mmlrs
from mmlrs.ann import DeepTextClassifier, DeepVisionClassifier, FineTuner
from mmlrs.compiled import CompiledModel
from mmlrs.errors import InvalidParamError
from mmlrs.testing import sample_model, sample_stage


def vectors(labels: list[Any]) -> pa.Table:
    x = np.random.default_rng(8).normal(size=(len(labels), 4))
    return pa.table({"x": list(x), "label": labels})


@pytest.mark.parametrize("kind", [FineTuner, DeepVisionClassifier, DeepTextClassifier])
def test_a_compiled_model_adds_the_columns_of_the_model(kind: Any, tmp_path: Path) -> None:
    stage, table = sample_stage(kind)
    model = stage.fit(table)
    compiled = mmlrs.compile(model)
    expected = model.transform(table)
    assert compiled.transform(table).equals(expected, check_metadata=True)
    compiled.save(str(tmp_path / "model"))
    assert CompiledModel.load(str(tmp_path / "model")).transform(table).equals(expected, check_metadata=True)
    row, first = table.slice(0, 1).to_pylist()[0], expected.slice(0, 1).to_pylist()[0]
    answer = compiled.predict_one(row)
    assert answer["predictedLabel"] == first["predictedLabel"]
    assert list(answer["probabilities"].values()) == pytest.approx(answer["probability"])
    assert list(answer["probabilities"]) == model.getLabels()


@pytest.mark.parametrize("labels", [[3, 7], [0.5, -1.0], [True, False]])
def test_labels_keep_their_type_and_columns_their_names(labels: list[Any]) -> None:
    table = vectors(labels * 6)
    names = {"predictionCol": "p", "probabilityCol": "q", "rawPredictionCol": "r", "predictedLabelCol": "s"}
    model = FineTuner(model=sample_model(), inputCol="x", maxIter=3, **names).fit(table)
    assert mmlrs.compile(model).transform(table).equals(model.transform(table), check_metadata=True)


@pytest.mark.parametrize("policy", ["keep", "skip"])
def test_bad_rows_follow_the_policy_of_the_model(policy: str) -> None:
    table = vectors(["a", "b"] * 3)
    model = FineTuner(model=sample_model(), inputCol="x", maxIter=2).fit(table)
    model = model.copy({"handleInvalid": policy, "errorCol": "error" if policy == "keep" else None})
    bad = table.set_column(
        0, "x", pa.array([None, *table["x"].to_pylist()[1:]], table.schema.field("x").type)
    )
    expected = model.transform(bad)
    scored = mmlrs.compile(model).transform(bad)
    assert set(scored.column_names) == set(expected.column_names)
    assert scored.select(expected.column_names).equals(expected)


def test_a_head_after_another_network_is_compiled_with_it() -> None:
    pytest.importorskip("pyspark")
    from pyspark.ml import PipelineModel

    from mmlrs.text import UnicodeNormalize

    stage, table = sample_stage(DeepTextClassifier)
    clean = UnicodeNormalize(inputCol="raw", outputCol="text", lower=True)
    table = table.rename_columns(["raw" if name == "text" else name for name in table.column_names])
    model = stage.fit(clean.transform(table))
    compiled = mmlrs.compile(PipelineModel([clean, model]), outputCols=["predictedLabel"])
    expected = model.transform(clean.transform(table))["predictedLabel"]
    assert compiled.transform(table)["predictedLabel"].equals(expected)


def test_a_network_of_images_has_no_onnx_form_beside_its_own_file() -> None:
    stage, table = sample_stage(DeepVisionClassifier)
    with pytest.raises(InvalidParamError, match="to_onnx"):
        mmlrs.compile(stage.fit(table)).to_onnx()
