"""`CompiledModel.to_onnx`: features, labels, inputs, outputs and errors."""

from __future__ import annotations

import doctest
import sys
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pytest
from exported import check, model_of, one, run, vectors

import mmlrs
from mmlrs.compiled import CompiledModel
from mmlrs.compiled._definition import floats, ints
from mmlrs.errors import ColumnNotFoundError, InvalidParamError, IoError, MissingPackageError
from mmlrs.featurize import FastVectorAssembler, IndexToValue
from mmlrs.onnx import ONNXModel
from mmlrs.stages import DropColumns, RenameColumn, SelectColumns
from mmlrs.testing import Identity
from mmlrs.text import TextFeaturizerModel

NAN, INF = float("nan"), float("inf")
RNG = np.random.default_rng(5)

CELLS = pa.table(
    {
        "city": ["a", "b", "zz", "é", ""],
        "x": [0.0, 1.0, 2.5, NAN, -1.0],
        "y": [1.0, 2.0, 3.0, 4.0, -0.0],
        "count": [1, 2, 3, 1, -4],
    }
)
#: Random vectors, and vectors that are hard.
ROWS = [
    np.round(RNG.normal(size=(40, 4)), 1) * (RNG.random((40, 4)) < 0.7),
    np.array(
        [[1, NAN, 2, 0], [INF, 0, 1, 2], [0, 0, 0, 0], [-0.0, 1, 0, -1], [0.5, -INF, 0, 1], [-0.5, 0.5, 1, 2]]
    ),
]


def table_of(rows: Any) -> pa.Table:
    numbers = np.resize([1.0, NAN, 0.0, -0.0, INF, -2.0, 0.5], len(rows))
    return pa.table({"v": vectors(rows), "z": numbers})


def linear(size: int = 4, functions: int = 3) -> dict[str, Any]:
    coefficients = np.random.default_rng(size).normal(size=(functions, size))
    return {
        "kind": "linear",
        "coefficients": floats(coefficients),
        "intercepts": floats(np.arange(functions) / 4),
        "size": size,
    }


def classifier(features: str = "features", size: int = 4) -> Any:
    return one(
        "classifier",
        [features],
        ["raw", "probability", "prediction"],
        roles=["raw", "probability", "prediction"],
        model=linear(size),
        probabilities="softmax",
        decision={"rule": "largest_raw"},
    )


@pytest.mark.parametrize("policy", ["error", "skip", "keep"])
@pytest.mark.parametrize("keep", [False, True])
def test_categories_under_every_policy(policy: str, keep: bool) -> None:
    index = one(
        "index_strings",
        ["city", "x", "count"],
        ["index", "index2", "index3"],
        handleInvalid=policy,
        labels=[["a", "é"], ["1.0", "NaN", "2.5"], ["1", "2"]],
        keep=keep,
    )
    got = check(model_of(index), CELLS, inputs={"x": "double", "count": "long"})
    # An unseen level, or an unseen number in the next column.
    assert got["index"].ravel().tolist() == [0.0, 2.0, 2.0, 1.0, 2.0] if keep else np.isnan(got["index"][2])
    for drop in (False, True):
        hot = one(
            "one_hot",
            ["x", "y"],
            ["o", "p"],
            handleInvalid=policy,
            sizes=[2, 4],
            drop_last=drop,
            keep=keep,
        )
        check(model_of(hot), CELLS)


def test_negative_zero_is_another_category_than_zero() -> None:
    table = pa.table({"x": [0.0, -0.0, 1.0]})
    for labels in (["0.0", "1.0"], ["-0.0", "1.0"], ["1.0", "-0.0", "0.0"]):
        index = one("index_strings", ["x"], ["index"], labels=[labels], keep=True)
        check(model_of(index), table, inputs={"x": "double"})


@pytest.mark.parametrize("policy", ["error", "skip", "keep"])
def test_columns_of_numbers(policy: str) -> None:
    for keep in (False, True):
        splits = [floats([-1, 0, 1, 2.5]), floats([-INF, 0, 2, INF])]
        buckets = one(
            "bucketize", ["x", "y"], ["bucket", "bucket2"], handleInvalid=policy, splits=splits, keep=keep
        )
        check(model_of(buckets), CELLS)
    assembler = FastVectorAssembler(inputCols=["x", "y", "x"], outputCol="f", handleInvalid=policy)
    check(model_of(assembler), CELLS)
    for missing in (NAN, 0.0, -1.0):
        impute = one("impute", ["x"], ["w"], surrogates=floats([7.5]), missing=floats([missing]))
        check(model_of(impute), CELLS)


def test_null_of_one_stage_reaches_the_next() -> None:
    buckets = one(
        "bucketize", ["x"], ["bucket"], handleInvalid="keep", splits=[floats([-1, 0, 1, 9])], keep=False
    )
    impute = one("impute", ["bucket"], ["w"], surrogates=floats([5]), missing=floats([NAN]))
    stack = one("stack_numbers", ["bucket", "y"], ["s"])
    flags = one("binarize", ["bucket"], ["b"], thresholds=floats([0.5]))
    value = IndexToValue(inputCol="bucket", outputCol="label", levels=["low", "mid", "high"])
    kept = FastVectorAssembler(inputCols=["bucket", "y"], outputCol="f", handleInvalid="keep")
    check(model_of(buckets, impute, stack, flags, value, kept), CELLS)
    for stage in (
        FastVectorAssembler(inputCols=["bucket", "y"], outputCol="f"),
        one("one_hot", ["bucket"], ["o"], sizes=[3], drop_last=False, keep=True),
        one("one_hot", ["bucket"], ["o"], handleInvalid="keep", sizes=[3], drop_last=False, keep=True),
    ):
        got = check(model_of(buckets, stage), CELLS)
        assert np.isnan(got["bucket"][3]).all()


VECTOR_KINDS: dict[str, dict[str, Any]] = {
    "affine": {"shift": floats([1, 2, 3, 4]), "scale": floats([0, 2, 0.3, 1])},
    "min_max": {
        "original_min": floats([0, 1, 2, -1]),
        "original_max": floats([1, 1, 3, 0]),
        "min": 0.0,
        "max": 2.0,
    },
    "slice": {"indices": ints([2, 0])},
    "project": {"matrix": floats(RNG.normal(size=(3, 4))), "size": 4},
    "weight_terms": {"weights": floats([1, 2, 3, 0])},
    "vector_size": {"size": 4, "optimistic": False},
    "binarize": {"thresholds": floats([0.0])},
    "polynomial": {"degree": 3},
}


@pytest.mark.parametrize("rows", ROWS, ids=["random", "hard"])
@pytest.mark.parametrize("kind", VECTOR_KINDS)
def test_vectors(kind: str, rows: Any) -> None:
    check(model_of(one(kind, ["v"], ["w"], **VECTOR_KINDS[kind])), table_of(rows), inputs={"v": 4})


@pytest.mark.parametrize("rows", ROWS, ids=["random", "hard"])
def test_vectors_with_special_params(rows: Any) -> None:
    table = table_of(rows)
    stages = [one("normalize", ["v"], ["w"], p=floats([p])) for p in (1, 2, 3.5, INF)]
    stages += [one("affine", ["v"], ["w"], shift=None, scale=s) for s in (None, floats([1, 0, 2, 3]))]
    stages += [one("binarize", ["v", "z"], ["w", "b"], thresholds=floats([t, t])) for t in (-0.5, 0.5)]
    stages.append(one("polynomial", ["v"], ["w"], degree=1))
    for stage in stages:
        check(model_of(stage), table, inputs={"v": 4})


def pipeline(**params: Any) -> CompiledModel:
    return model_of(
        one(
            "index_strings",
            ["answer"],
            ["l"],
            labels=[["no", "yes", "?"]],
            keep=False,
            origin="StringIndexerModel",
        ),
        one("index_strings", ["city"], ["c"], labels=[["a", "b", "é"]], keep=False, handleInvalid="skip"),
        one("one_hot", ["c"], ["o"], sizes=[3], drop_last=True, keep=False),
        FastVectorAssembler(inputCols=["o", "x", "y"], outputCol="f"),
        one("affine", ["f"], ["features"], shift=None, scale=floats([1, 2, 3, 4])),
        classifier(),
        IndexToValue(inputCol="prediction", outputCol="predictedLabel", levels=["no", "yes", "?"]),
        **params,
    )


def test_a_pipeline_gives_the_columns_of_its_learner_and_blank_rows_for_dropped_ones() -> None:
    got = check(pipeline(), CELLS)
    assert list(got) == ["raw", "probability", "prediction", "predictedLabel"]
    assert got["predictedLabel"].shape == (5, 1)
    assert got["predictedLabel"].ravel()[[2, 3, 4]].tolist() == ["", "", ""]
    assert np.isnan(got["probability"][[2, 3, 4]]).all()
    assert not np.isnan(got["probability"][:2]).any()


def test_output_cols_choose_the_outputs_and_the_inputs() -> None:
    content = pipeline(outputCols=["predictedLabel", "features"]).to_onnx()
    graph = onnx.load_from_string(content).graph
    assert [item.name for item in graph.output] == ["predictedLabel", "features"]
    assert {item.name for item in graph.input} == {"city", "x", "y"}
    scaled = onnx.load_from_string(model_of(*pipeline()._value("stages"), outputCols=["l"]).to_onnx()).graph
    assert {item.name for item in scaled.input} == {"answer", "city"}


def test_an_empty_table_and_one_row() -> None:
    content = pipeline().to_onnx()
    empty = run(content, CELLS.slice(0, 0))
    assert {name: values.shape for name, values in empty.items()} == {
        "raw": (0, 3),
        "probability": (0, 3),
        "prediction": (0, 1),
        "predictedLabel": (0, 1),
    }
    whole, single = run(content, CELLS), run(content, CELLS.slice(1, 1))
    assert all(single[name][0].tolist() == whole[name][1].tolist() for name in whole)


def test_stages_that_name_columns() -> None:
    stages = [
        Identity(inputCol="x", outputCol="copy"),
        RenameColumn(inputCol="y", outputCol="other"),
        one("stack_numbers", ["copy", "other"], ["f"]),
        one("vector_size", ["f"], ["sized"], size=2, optimistic=False),
        DropColumns(cols=["f"]),
        RenameColumn(inputCol="sized", outputCol="f"),
        one("affine", ["f"], ["g"], shift=floats([1, 1]), scale=None),
        one("affine", ["f"], ["hidden"], shift=floats([1, 1]), scale=None),
        SelectColumns(cols=["f", "g"]),
    ]
    got = check(model_of(*stages), CELLS)
    assert list(got) == ["f", "g"]


@pytest.mark.parametrize("kind", ["string", "long", "double", "boolean"])
def test_values_of_indices(kind: str) -> None:
    levels: list[Any] = {
        "string": ["no", "yes"],
        "long": [7, -3],
        "double": [0.5, 2.0],
        "boolean": [False, True],
    }[kind]
    table = pa.table({"x": [0.0, 1.0, 2.0, 0.5, -1.0, NAN, 3.0, 5e9]})
    for policy in ("error", "keep", "skip"):
        value = IndexToValue(
            inputCol="x", outputCol="label", levels=levels, nullIndices=[3], handleInvalid=policy
        )
        check(model_of(value), table)


def test_levels_come_from_the_indexer_of_the_pipeline() -> None:
    for keep in (False, True):
        index = one("index_strings", ["city"], ["index"], labels=[["b", "a"]], keep=keep)
        back = IndexToValue(inputCol="index", outputCol="label")
        renamed = RenameColumn(inputCol="index", outputCol="i")
        check(model_of(index, back), CELLS)
        check(model_of(index, renamed, IndexToValue(inputCol="i", outputCol="label")), CELLS)


def test_the_file_runs_in_onnx_model(tmp_path: Any) -> None:
    model, path = model_of(classifier("v")), tmp_path / "model.onnx"
    content = model.to_onnx(path)
    assert path.read_bytes() == content
    table = table_of(ROWS[0])
    stage = ONNXModel(
        model=str(path), feedDict={"v": "v"}, fetchDict={"scores": "probability", "class": "prediction"}
    )
    got, expected = stage.transform(table), model.transform(table)
    # ONNXModel gives vectors in single precision.
    scores = mmlrs.to_numpy(got["scores"])
    assert np.allclose(scores, mmlrs.to_numpy(expected["probability"]), atol=1e-6)
    assert mmlrs.to_numpy(got["class"]).ravel().tolist() == expected["prediction"].to_pylist()


@pytest.fixture(scope="module")
def frame(spark: Any) -> Any:
    rows = [("abc"[i % 3], i % 7 / 3, "yes" if i % 7 + i % 3 > 3 else "no") for i in range(42)]
    return spark.createDataFrame(rows, "city string, x double, answer string").coalesce(1)


def test_a_pipeline_of_spark(frame: Any) -> None:
    from pyspark.ml import Pipeline
    from pyspark.ml.classification import DecisionTreeClassifier
    from pyspark.ml.feature import OneHotEncoder, StringIndexer, VectorAssembler

    stages = [
        StringIndexer(inputCols=["answer", "city"], outputCols=["label", "c"], handleInvalid="keep"),
        OneHotEncoder(inputCol="c", outputCol="o"),
        VectorAssembler(inputCols=["o", "c", "x"], outputCol="features", handleInvalid="keep"),
        DecisionTreeClassifier(maxDepth=3),
    ]
    model = mmlrs.compile(Pipeline(stages=stages).fit(frame))
    got = check(
        model, pa.table({"city": ["a", "b", "c", "d"], "x": [0.0, 1.0, 2.0, NAN], "answer": ["no"] * 4})
    )
    assert list(got) == ["rawPrediction", "probability", "prediction", "predictedLabel"]
    assert {"yes", "no"} <= set(got["predictedLabel"].ravel())


def test_the_example_of_the_docstring_is_right() -> None:
    (example,) = doctest.DocTestFinder().find(CompiledModel.to_onnx, "to_onnx")
    found = doctest.DocTestRunner().run(example)
    assert found.attempted > 5
    assert found.failed == 0


def error_of(model: CompiledModel, **options: Any) -> str:
    with pytest.raises(InvalidParamError) as caught:
        model.to_onnx(**options)
    return str(caught.value)


def test_stages_that_onnx_cannot_say_are_named_with_their_place() -> None:
    tokens = one("tokenize_text", ["t"], ["w"], pattern=r"\s", gaps=True, min_length=0, lowercase=True)
    counts = one("count_terms", ["w"], ["v"], vocabulary=["a", "b", "c", "d"], min_tf=1.0, binary=False)
    message = error_of(model_of(tokens, counts, classifier("v")))
    assert message.startswith(
        "CompiledModel: to_onnx: stage 1 of 3, the FittedModel, cannot be said in ONNX: "
    )
    text = TextFeaturizerModel(inputCol="t", outputCol="v", numFeatures=4)
    assert "stage 1 of 2, the TextFeaturizerModel, cannot be said in ONNX" in error_of(
        model_of(text, classifier("v"))
    )
    # A stage that no output needs is no problem.
    check(
        model_of(classifier("v"), tokens, outputCols=["prediction"]),
        table_of(ROWS[0]).append_column("t", pa.array(["a"] * 40)),
    )


def test_unknown_members_and_kinds_are_refused() -> None:
    odd = one("affine", ["v"], ["w"], shift=None, scale=None, extra=1)
    assert "has the member 'extra'" in error_of(model_of(odd), inputs={"v": 4})
    strange = one("classifier", ["v"], ["p"], roles=["prediction"], model={"kind": "svd"}, probabilities="none",
                  decision={"rule": "largest_raw"})  # fmt: skip
    assert "models of kind 'svd'" in error_of(model_of(strange))


def test_inputs_that_do_not_fit_are_errors_that_say_what_to_do() -> None:
    normalize = one("normalize", ["v"], ["w"], p=floats([2]))
    assert "the size of the vectors of column `v` is unknown; set `inputs`" in error_of(model_of(normalize))
    assert "`inputs` must be a dict" in error_of(model_of(normalize), inputs=["v"])
    for kind in ("float", 0, True, None):
        assert '"string", "double", "long", or the size of its vectors' in error_of(
            model_of(normalize), inputs={"v": kind}
        )
    assert "names column `u`" in error_of(model_of(normalize), inputs={"v": 4, "u": 3})
    assert "must hold vectors, but it holds numbers" in error_of(model_of(normalize), inputs={"v": "double"})
    assert "vectors of size 5, and the fitted stage needs 4" in error_of(
        model_of(classifier("v")), inputs={"v": 5}
    )
    index = one("index_strings", ["count"], ["i"], labels=[["1", "2"]], keep=True)
    both = model_of(index, FastVectorAssembler(inputCols=["i", "count"], outputCol="f"))
    assert "must hold numbers, but it holds strings" in error_of(both)
    names = one("index_strings", ["count"], ["i"], labels=[["x", "y"]], keep=True)
    assert "no label of column `count`" in error_of(model_of(names), inputs={"count": "double"})
    check(both, CELLS, inputs={"count": "long"})
    with pytest.raises(ColumnNotFoundError, match="column `nothing` is not among"):
        model_of(classifier("v"), outputCols=["nothing"]).to_onnx()


def test_a_polynomial_that_is_too_large_is_refused() -> None:
    huge = one("polynomial", ["v"], ["w"], degree=5)
    assert "more than" in error_of(model_of(huge), inputs={"v": 1000})


def test_paths_that_cannot_be_written(tmp_path: Any) -> None:
    model = model_of(classifier("v"))
    with pytest.raises(IoError, match=r"none/model\.onnx cannot be written"):
        model.to_onnx(tmp_path / "none" / "model.onnx")
    assert "must be a local path" in error_of(model, path="s3://bucket/model.onnx")
    assert "must be a path" in error_of(model, path=5)
    assert list(tmp_path.iterdir()) == []


def test_without_the_package_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingPackageError, match=r'pip install "mmlrs\[quantize\]"'):
        model_of(classifier("v")).to_onnx()
