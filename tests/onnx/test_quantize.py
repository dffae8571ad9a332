"""`quantize` returns the stage with int8 weights and activations, calibrated on rows of a dataset."""

from __future__ import annotations

import sys

import networks
import numpy as np
import onnx
import pyarrow as pa
import pytest
from networks import network, node, value
from onnx import TensorProto

import mmlrs._quantization.bias
from mmlrs.engine.spread import shares, spread_rows
from mmlrs.errors import (
    ColumnNotFoundError,
    ExecutionError,
    InvalidParamError,
    MissingPackageError,
    ModelLoadError,
    SchemaMismatchError,
)
from mmlrs.onnx import ONNXModel

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def nothing_told_yet(monkeypatch):
    """A warning comes once per process and text."""
    monkeypatch.setattr("mmlrs._warnings._warned", set())


def weights(*shape: int, seed: int = 0, low: float = -1.0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(low, 1, shape).astype(np.float32)


def table(columns: int = 4, rows: int = 40, seed: int = 0) -> pa.Table:
    return pa.table({"x": np.random.default_rng(seed).standard_normal((rows, columns)).tolist()})


def stage(**params) -> ONNXModel:
    return ONNXModel(**{"model": networks.linear(64, 32), "inputCol": "x", "outputCol": "y", **params})


def kinds(made: ONNXModel) -> list[str]:
    return [n.op_type for n in onnx.ModelProto.FromString(made.getModel().read()).graph.node]


def near(made, exact, name: str = "y", of: float = 0.05) -> bool:
    """Whether all values differ by less than a share of the largest one."""
    a, b = (np.concatenate([np.ravel(row) for row in t[name].to_pylist()]) for t in (made, exact))
    return float(np.abs(a - b).max()) < of * float(np.abs(b).max())


def deep(layers: int = 9) -> onnx.ModelProto:
    """`x[N, 8]` through `layers` products with 8 x 8 weights and a rectifier each: `h0`, `r0`, `h1` and so on."""
    nodes = []
    for i in range(layers):
        nodes += [
            node("Gemm", [f"r{i - 1}" if i else "x", f"w{i}", f"b{i}"], [f"h{i}"]),
            node("Relu", [f"h{i}"], [f"r{i}"]),
        ]
    stored = {f"w{i}": weights(8, 8, seed=i) for i in range(layers)}
    stored |= {f"b{i}": weights(8, seed=100 + i) for i in range(layers)}
    return network(nodes, [value("x", ["N", 8])], [value(f"r{layers - 1}", ["N", 8])], stored)


# -- the result ---------------------------------------------------------------------------------------------------------


def test_the_scores_are_nearly_those_of_floats_and_the_network_is_a_fraction_of_the_size():
    rows, before = table(256), stage(model=networks.linear(256, 128))
    made = before.quantize(rows)
    assert near(made.transform(rows), before.transform(rows))
    assert {"QuantizeLinear", "DequantizeLinear"} < set(kinds(made))
    assert len(made.getModel().read()) < 0.35 * len(before.getModel().read())


def test_everything_but_the_network_is_unchanged(tmp_path):
    before = stage(softMaxDict={"y": "p"}, miniBatchSize=3, handleInvalid="keep")
    was = before.getModel()
    made = before.quantize(table(64))
    assert (type(made), made.uid, before.getModel()) == (ONNXModel, before.uid, was)
    assert {p.name: made.getOrDefault(p) for p in made.params if made.isDefined(p) and p.name != "model"} == {
        p.name: before.getOrDefault(p) for p in before.params if before.isDefined(p) and p.name != "model"
    }
    made.save(tmp_path / "saved")
    rows = table(64, seed=1)
    assert ONNXModel.load(tmp_path / "saved").transform(rows).equals(made.transform(rows))


def test_the_same_rows_give_the_same_network():
    assert (
        stage().quantize(table(64)).getModel().sha256
        == stage().quantize(table(64).to_pandas()).getModel().sha256
    )


def test_metadata_outputs_and_opset_stay():
    given = networks.linear(64, 32)
    onnx.helper.set_model_props(given, {"author": "me", "note": "x"})
    made = onnx.ModelProto.FromString(stage(model=given).quantize(table(64)).getModel().read())
    assert {p.key: p.value for p in made.metadata_props} == {"author": "me", "note": "x"}
    assert [(o.name, o.type) for o in made.graph.output] == [(o.name, o.type) for o in given.graph.output]
    assert {o.domain: o.version for o in made.opset_import} == {"": 17}
    onnx.checker.check_model(made)


def test_tensors_that_the_stage_fetches_stay_even_before_a_rectifier():
    rows = table(8)
    before = ONNXModel(model=deep(), inputCol="x", fetchDict={"last": "r8", "inner": "h4"})
    made = before.quantize(rows)
    for name in ("last", "inner"):
        assert near(made.transform(rows), before.transform(rows), name, 0.1)


def test_the_first_fifth_of_the_layers_stays_in_floats():
    graph = onnx.ModelProto.FromString(
        stage(model=deep(16), outputCol="y").quantize(table(8)).getModel().read()
    ).graph
    made = {name: n for n in graph.node for name in n.output}
    layers = [n for n in graph.node if n.op_type == "Gemm"]
    assert [made.get(n.input[1]) is None for n in layers] == [True] * 3 + [False] * 13


def test_biases_compensate_the_mean_error_of_the_weights(monkeypatch):
    """Depthwise, grouped and full convolutions over inputs above 0, and a product, each with a bias."""
    given = network(
        [
            node("Conv", ["x", "w0", "b0"], ["full"], pads=[1, 1, 1, 1]),
            node("Relu", ["full"], ["r0"]),
            node("Conv", ["r0", "w1", "b1"], ["depthwise"], group=8, pads=[1, 1, 1, 1]),
            node("Relu", ["depthwise"], ["r1"]),
            node("Conv", ["r1", "w2", "b2"], ["grouped"], group=2),
            node("Relu", ["grouped"], ["r2"]),
            node("GlobalAveragePool", ["r2"], ["pooled"]),
            node("Flatten", ["pooled"], ["flat"]),
            node("Gemm", ["flat", "w3", "b3"], ["y"], transB=1),
        ],
        [value("x", ["N", 4, 8, 8])],
        [value("y", ["N", 6])],
        {
            "w0": weights(8, 4, 3, 3),
            "w1": weights(8, 1, 3, 3, seed=1),
            "w2": weights(8, 4, 1, 1, seed=2),
            "w3": weights(6, 8, seed=3),
            **{f"b{i}": weights(n, seed=9 + i) for i, n in enumerate((8, 8, 8, 6))},
        },
    )
    rows = pa.table({"x": RNG.uniform(2, 3, (32, 256)).tolist()})
    before = stage(model=given)
    exact = np.array(before.transform(rows)["y"].to_pylist())

    def mean_error() -> float:
        scores = np.array(before.quantize(rows).transform(rows)["y"].to_pylist())
        return float(np.abs((scores - exact).mean(axis=0)).max())

    corrected = mean_error()
    layers = mmlrs._quantization.bias._layers
    found = []
    monkeypatch.setattr(mmlrs._quantization.bias, "_layers", lambda *a: found.append(list(layers(*a))) or [])
    assert corrected < 0.6 * mean_error()
    assert [layer.reads for layer in found[0]] == ["x", "r0", "r1", "flat"]


def test_the_shift_of_a_layer_is_what_its_rounding_errors_make_of_the_means():
    convolution = node("Conv", ["x", "w", "b"], ["y"], group=2)
    errors = np.arange(2 * 3.0).reshape(2, 3, 1, 1)  # two groups of three inputs and one output
    layer = mmlrs._quantization.bias._Layer(convolution, "x", errors, "b", np.ones(2))
    means = np.array([1.0, 10, 100, 1000, 10000, 100000])
    assert mmlrs._quantization.bias._shift(layer, means).tolist() == [210.0, 543000.0]


# -- networks -------------------------------------------------------------------------------------------------------------


def test_several_inputs_of_several_types():
    given = network(
        [
            node("Cast", ["k"], ["f"], to=TensorProto.FLOAT),
            node("Add", ["x", "f"], ["s"]),
            node("MatMul", ["s", "w"], ["y"]),
        ],
        [value("x", ["N", 4]), value("k", ["N", 4], TensorProto.INT64)],
        [value("y", ["N", 3])],
        {"w": weights(4, 3)},
    )
    rows = table().append_column("number", pa.array([[i, 2, 3, 4] for i in range(40)]))
    before = ONNXModel(model=given, feedDict={"x": "x", "k": "number"}, outputCol="y")
    assert near(before.quantize(rows).transform(rows), before.transform(rows))


@pytest.mark.parametrize("batch", [1, 3])
def test_a_fixed_batch(batch):
    given = networks.linear(64, 32)
    for one in (*given.graph.input, *given.graph.output):
        one.type.tensor_type.shape.dim[0].dim_value = batch
    rows, before = table(64), stage(model=given)
    made = before.quantize(rows)
    assert made.model_inputs()[0]["shape"] == [batch, 64]
    assert near(made.transform(rows), before.transform(rows))


def test_rows_of_different_shapes():
    given = network(
        [node("MatMul", ["x", "w"], ["h"]), node("ReduceMax", ["h"], ["y"], axes=[1], keepdims=0)],
        [value("x", ["N", "L", 4])],
        [value("y", ["N", 5])],
        {"w": weights(4, 5)},
    )
    rows = pa.table({"x": [RNG.standard_normal((1 + i % 3, 4)).tolist() for i in range(20)]})
    before = stage(model=given)
    assert near(before.quantize(rows).transform(rows), before.transform(rows))


# -- rows -----------------------------------------------------------------------------------------------------------------


def test_rows_are_spread_over_a_table():
    rows = pa.table({"x": range(100)})
    assert spread_rows(rows, ["x"], 4, "Stage")["x"].to_pylist() == [0, 25, 50, 75]
    assert spread_rows(rows, ["x"], 200, "Stage").num_rows == 100
    assert spread_rows(rows.slice(0, 0), ["x"], 4, "Stage").num_rows == 0


def test_partitions_give_equal_numbers_as_far_as_they_have_rows():
    assert shares({0: 2, 1: 100, 7: 100}, 10) == {0: 2, 1: 4, 7: 4}
    assert shares({0: 2, 1: 1}, 10) == {0: 2, 1: 1}
    assert shares({}, 10) == {}
    few = shares(dict.fromkeys(range(100), 5), 10)
    assert (len(few), set(few.values())) == (10, {1})
    assert max(few) > 50 > min(few)


def test_rows_of_every_partition_and_no_more_are_read(spark):
    rows = spread_rows(spark.range(0, 1000, 1, 4), ["id"], 6, "Stage")
    partition, place = np.divmod(rows["id"].to_numpy(), 250)
    assert np.unique(partition).tolist() == [0, 1, 2, 3]
    assert sorted(place.tolist()) == [0, 0, 0, 0, 1, 1]


def test_a_spark_frame_of_arrays_or_vectors_calibrates_as_the_table(spark):
    from pyspark.ml.functions import array_to_vector

    rows = table(64, rows=6)
    df = spark.createDataFrame(rows.to_pandas()).coalesce(1)
    expected = stage().quantize(rows).getModel().sha256
    assert stage().quantize(df).getModel().sha256 == expected
    vectors = df.select(array_to_vector("x").alias("x"))
    made = stage().quantize(vectors)
    assert made.getModel().sha256 == expected
    assert made.transform(vectors).count() == 6


def test_a_stream_has_no_rows_to_calibrate_on(spark):
    stream = spark.readStream.format("rate").load().selectExpr("array_repeat(double(value), 64) AS x")
    with pytest.raises(SchemaMismatchError, match="streaming DataFrame has no fixed rows"):
        stage().quantize(stream)


def test_rows_that_cannot_be_read_are_left_out_with_a_warning():
    good = table(64).to_pylist()
    bad = pa.Table.from_pylist([{"x": None}, *good, {"x": [1.0]}])
    with pytest.warns(
        UserWarning, match=r"ONNXModel.quantize: 2 of 42 rows cannot be read and were left out"
    ):
        made = stage().quantize(bad)
    assert made.getModel().sha256 == stage().quantize(pa.Table.from_pylist(good)).getModel().sha256


# -- bad input --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [0, -1, 1.5, "many", None, True])
def test_the_number_of_rows_is_checked(rows):
    with pytest.raises(InvalidParamError, match=r"ONNXModel.quantize: param `rows` must be"):
        stage().quantize(table(64), rows=rows)


@pytest.mark.parametrize(
    ("before", "data", "error", "message"),
    [
        (ONNXModel(), table(), InvalidParamError, "param `model` must be set: there is no network"),
        (stage(), table(64).slice(0, 0), InvalidParamError, "param `dataset`: the dataset has no rows"),
        (stage(), pa.table({"x": pa.array([None, [1.0]])}), InvalidParamError, "none of 2 rows can be read"),
        (stage(), pa.table({"y": [1]}), ColumnNotFoundError, "column `x`"),
        (stage(), [1, 2], SchemaMismatchError, "ONNXModel: cannot quantize on a list"),
        (stage(model=b"nonsense"), table(64), ModelLoadError, "ONNXModel"),
        (
            stage(model=networks.counting(1, 2)),
            pa.table({"x": [[1.0]]}),
            InvalidParamError,
            "has no layer to quantize",
        ),
    ],
    ids=["no model", "no rows", "no good row", "no column", "no dataset", "no network", "no layer"],
)
def test_what_cannot_be_quantized_is_one_error(before, data, error, message):
    with pytest.raises(error, match=message):
        before.quantize(data)


def test_a_quantized_network_is_not_quantized_again():
    made = stage().quantize(table(64))
    with pytest.raises(InvalidParamError, match=r"param `model`: the network is quantized already \(it has"):
        made.quantize(table(64))


def test_a_network_that_the_tools_refuse_is_one_error_with_their_words(monkeypatch):
    import onnxruntime.quantization

    def refuse(*args, **params):
        raise NotImplementedError("no such layer")

    monkeypatch.setattr(onnxruntime.quantization, "quantize_static", refuse)
    with pytest.raises(
        ExecutionError, match=r"cannot quantize the network .*NotImplementedError: no such layer; use"
    ):
        stage().quantize(table(64))


def test_a_network_of_doubles_has_nothing_that_the_tools_quantize():
    doubles = network(
        [node("MatMul", ["x", "w"], ["y"])],
        [value("x", ["N", 4], TensorProto.DOUBLE)],
        [value("y", ["N", 3], TensorProto.DOUBLE)],
        {"w": weights(4, 3).astype(np.float64)},
    )
    with pytest.raises(ExecutionError, match=r"ONNXModel.quantize: onnxruntime's tools"):
        stage(model=doubles).quantize(table())


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime.quantization"])
def test_without_the_extra_one_error_says_what_to_install(monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingPackageError, match=r'ONNXModel.quantize: .*pip install "mmlrs\[quantize\]"'):
        stage().quantize(table(64))
