"""ONNXModel gives what the onnx package recorded and what ONNX Runtime gives."""

from __future__ import annotations

import warnings

import networks
import numpy as np
import onnx
import pyarrow as pa
import pytest
from networks import column, network, node, ragged, reference, value, zip_map
from onnx import TensorProto, numpy_helper

import mmlrs
from mmlrs.onnx import ONNXModel

# -- the onnx package's models with recorded outputs ------------------------------------------------------------------

LIGHT = sorted(path.stem for path in networks.LIGHT.glob("*.onnx"))


def test_the_onnx_package_has_its_light_models():
    assert {"light_resnet50", "light_squeezenet"} <= set(LIGHT)


@pytest.mark.parametrize("name", LIGHT)
def test_a_light_model_gives_its_recorded_output_row_for_row(name):
    path = networks.LIGHT / f"{name}.onnx"
    recorded = onnx.TensorProto.FromString((networks.LIGHT / f"{name}_output_0.pb").read_bytes())
    expected = numpy_helper.to_array(recorded)
    # The input that the onnx package's own backend test feeds; every model was exported with a batch of 1.
    picture = (np.arange(3 * 224 * 224) / (3 * 224 * 224)).astype(np.float32)
    table = pa.table({"x": pa.array([picture, picture])})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        runs = mmlrs.counters()["model_runs"]
        got = ONNXModel(model=path, inputCol="x", outputCol="y").transform(table)
    assert mmlrs.counters()["model_runs"] == runs + 1, "both rows in one run: the batch is dynamic"
    assert column(got, "y").shape == (2, *expected.shape[1:])
    for row in column(got, "y"):
        np.testing.assert_allclose(row[None], expected, rtol=1e-3, atol=1e-7)


# -- element types ----------------------------------------------------------------------------------------------------

NUMBERS = {
    "bool": (TensorProto.BOOL, [[True, False, True], [False, False, True]]),
    "int8": (TensorProto.INT8, [[-128, 0, 127], [1, 2, 3]]),
    "int16": (TensorProto.INT16, [[-32768, 0, 32767], [1, 2, 3]]),
    "int32": (TensorProto.INT32, [[-(2**31), 0, 2**31 - 1], [1, 2, 3]]),
    "int64": (TensorProto.INT64, [[-(2**63), 0, 2**63 - 1], [1, 2, 3]]),
    "uint8": (TensorProto.UINT8, [[0, 128, 255], [1, 2, 3]]),
    "uint16": (TensorProto.UINT16, [[0, 2**15, 2**16 - 1], [1, 2, 3]]),
    "uint32": (TensorProto.UINT32, [[0, 2**31, 2**32 - 1], [1, 2, 3]]),
    "uint64": (TensorProto.UINT64, [[0, 2**62, 2**63 - 1], [1, 2, 3]]),
    "float16": (TensorProto.FLOAT16, [[-1.5, 0.0, 65504.0], [1.0, 2.0, 3.0]]),
    "float32": (TensorProto.FLOAT, [[-1.5, 0.0, 2.0**127], [1.0, 2.0, 3.0]]),
    "float64": (TensorProto.DOUBLE, [[-1.5, 0.0, 1e300], [1.0, 2.0, 3.0]]),
    "bfloat16": (TensorProto.BFLOAT16, [[-1.5, 0.0, 2.0**100], [1.0, 2.0, 3.0]]),
    "string": (TensorProto.STRING, [["", "ä", "z" * 300], ["a", "b", "c"]]),
}


def moved(kind: int, shape: list) -> onnx.ModelProto:
    """Turns the values of each row around: something every element type can do."""
    if len(shape) == 1:
        return network([node("Identity", ["x"], ["y"])], [value("x", shape, kind)], [value("y", shape, kind)])
    gather = node("Gather", ["x", "order"], ["y"], axis=1)
    order = np.arange(shape[1])[::-1].copy()
    return network([gather], [value("x", shape, kind)], [value("y", shape, kind)], {"order": order})


@pytest.mark.parametrize("name", NUMBERS)
def test_arrays_of_every_element_type_go_in_and_come_out(name):
    kind, rows = NUMBERS[name]
    made = ONNXModel(model=moved(kind, ["N", 3]), inputCol="x", outputCol="y").transform(
        pa.table({"x": rows})
    )
    assert made["y"].to_pylist() == [row[::-1] for row in rows]


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_and_texts_of_every_element_type_go_in_and_come_out(name):
    kind, rows = NUMBERS[name]
    table = pa.table({"x": rows[0]})
    made = ONNXModel(model=moved(kind, ["N"]), inputCol="x", outputCol="y").transform(table)
    assert made["y"].to_pylist() == rows[0]


@pytest.mark.parametrize("name", [n for n in NUMBERS if n not in ("string", "bfloat16")])
def test_tensors_of_every_element_type_have_numpys_bytes_and_can_be_fed(name):
    kind, rows = NUMBERS[name]
    stage = ONNXModel(model=moved(kind, ["N", 3]), inputCol="x", outputCol="y", outputType="tensor")
    made = stage.transform(pa.table({"x": rows}))
    for cell, row in zip(made["y"].to_pylist(), rows, strict=True):
        assert (cell["dtype"], cell["shape"]) == (name, [3])
        np.testing.assert_array_equal(np.frombuffer(cell["data"], name), np.array(row[::-1], name))
    again = stage.copy().setInputCol("y").setOutputCol("z").setOutputType("array").transform(made)
    assert again["z"].to_pylist() == rows


@pytest.mark.parametrize(
    "source", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "float32", "float64", "bool"]
)
@pytest.mark.parametrize("target", ["int8", "int64", "uint8", "float16", "float32", "float64"])
def test_numeric_columns_are_cast_to_the_type_of_the_input(source, target):
    kind, _ = NUMBERS[target]
    numbers = [True, False] if source == "bool" else [1, 0, 100]
    arrow = {"float32": pa.float32(), "float64": pa.float64(), "bool": pa.bool_()}.get(source) or getattr(
        pa, source
    )()
    table = pa.table({"x": pa.array(numbers, arrow)})
    made = ONNXModel(model=moved(kind, ["N"]), inputCol="x", outputCol="y").transform(table)
    assert made["y"].to_pylist() == numbers


# -- shapes -----------------------------------------------------------------------------------------------------------


def test_nested_arrays_of_any_depth_equal_onnxruntime():
    model = network(
        [node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]), node("Tanh", ["t"], ["y"])],
        [value("x", ["N", 2, 3, 4])],
        [value("y", ["N", 4, 2, 3])],
    )
    data = np.random.default_rng(0).standard_normal((5, 2, 3, 4)).astype(np.float32)
    made = ONNXModel(model=model, inputCol="x", outputCol="y").transform(pa.table({"x": data.tolist()}))
    np.testing.assert_allclose(column(made, "y"), reference(model, {"x": data})[0], rtol=1e-6)


def test_a_flat_array_takes_the_declared_shape():
    model = network(
        [node("Transpose", ["x"], ["y"], perm=[0, 2, 1])],
        [value("x", ["N", 2, 3])],
        [value("y", ["N", 3, 2])],
    )
    made = ONNXModel(model=model, inputCol="x", outputCol="y").transform(
        pa.table({"x": [[1.0, 2, 3, 4, 5, 6]]})
    )
    assert made["y"].to_pylist() == [[[1, 4], [2, 5], [3, 6]]]


@pytest.mark.parametrize(
    "arrow", [pa.list_(pa.float32(), 4), pa.large_list(pa.float32()), pa.list_(pa.float64())]
)
def test_every_kind_of_arrow_list_is_read_slices_and_chunks_too(arrow):
    model = networks.linear()
    data = np.random.default_rng(0).standard_normal((7, 4)).astype(np.float32)
    whole = pa.array(data.tolist(), arrow)
    table = pa.table({"x": pa.chunked_array([whole.slice(0, 3), whole.slice(3, 0), whole.slice(3)])})
    stage = ONNXModel(model=model, inputCol="x", outputCol="y")
    expected = reference(model, {"x": data})[0]
    np.testing.assert_allclose(column(stage.transform(table), "y"), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        column(stage.transform(table.slice(2, 4)), "y"), expected[2:6], rtol=1e-5, atol=1e-6
    )


def test_several_inputs_and_outputs_are_fed_and_fetched_by_name():
    model = network(
        [
            node("Add", ["a", "b"], ["sum"]),
            node("Mul", ["sum", "scale"], ["scaled"]),
            node("Neg", ["a"], ["negative"]),
        ],
        [value("a", ["N", 2]), value("b", ["N", 2]), value("scale", ["N", 1])],
        [value("scaled", ["N", 2]), value("negative", ["N", 2])],
    )
    rng = np.random.default_rng(0)
    a, b, scale = (rng.standard_normal((5, n)).astype(np.float32) for n in (2, 2, 1))
    table = pa.table({"first": a.tolist(), "b": b.tolist(), "s": scale[:, 0]})
    stage = ONNXModel(
        model=model,
        feedDict={"a": "first", "b": "b", "scale": "s"},
        fetchDict={"out": "scaled", "n": "negative", "m": "negative"},
    )
    made = stage.transform(table)
    scaled, negative = reference(model, {"a": a, "b": b, "scale": scale})
    np.testing.assert_allclose(column(made, "out"), scaled, rtol=1e-6)
    np.testing.assert_array_equal(column(made, "n"), negative)
    np.testing.assert_array_equal(column(made, "m"), negative)
    assert made.column_names == ["first", "b", "s", "out", "n", "m"]


def test_without_dicts_columns_and_tensors_go_by_their_names():
    model = network(
        [node("Add", ["a", "b"], ["sum"]), node("Sub", ["a", "b"], ["difference"])],
        [value("a", ["N"]), value("b", ["N"])],
        [value("sum", ["N"]), value("difference", ["N"])],
    )
    made = ONNXModel(model=model).transform(pa.table({"b": [1.0, 2.0], "a": [10.0, 20.0]}))
    assert made.select(["sum", "difference"]).to_pylist() == [
        {"sum": 11, "difference": 9},
        {"sum": 22, "difference": 18},
    ]


def test_several_dynamic_dimensions_come_from_the_data_and_rows_keep_their_order():
    rng = np.random.default_rng(0)
    shapes = [(2, 3), (1, 1), (2, 3), (4, 2), (1, 1), (2, 3), (3, 2)]
    rows = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
    runs = mmlrs.counters()["model_runs"]
    table = pa.table({"x": [row.tolist() for row in rows], "i": range(7)})
    made = ONNXModel(model=ragged(), inputCol="x").transform(table)
    assert mmlrs.counters()["model_runs"] == runs + 4, "one run for each distinct shape"
    assert made["i"].to_pylist() == list(range(7))
    for row, mean, twice in zip(rows, made["mean"].to_pylist(), made["twice"].to_pylist(), strict=True):
        want_mean, want_twice = reference(ragged(), {"x": row[None]})
        assert mean == pytest.approx(want_mean[0], rel=1e-5, abs=1e-6)
        np.testing.assert_array_equal(np.array(twice), want_twice[0])


def test_ragged_vectors_are_as_long_as_their_rows():
    rows = [[[1.0, 2.0]], [[1.0], [2.0], [3.0]]]
    stage = ONNXModel(model=ragged(), inputCol="x", fetchDict={"v": "twice"}, outputType="vector")
    assert stage.transform(pa.table({"x": rows}))["v"].to_pylist() == [[2, 4], [2, 4, 6]]


# -- forms of the output ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scores() -> np.ndarray:
    return np.random.default_rng(3).standard_normal((6, 2, 5)).astype(np.float32)


@pytest.fixture(scope="module")
def doubling() -> onnx.ModelProto:
    return network([node("Add", ["x", "x"], ["y"])], [value("x", ["N", 2, 5])], [value("y", ["N", 2, 5])])


def test_the_three_output_types_hold_the_same_values(doubling, scores):
    table = pa.table({"x": scores.tolist()})
    made = {
        form: ONNXModel(model=doubling, inputCol="x", outputCol="y", outputType=form).transform(table)
        for form in ("array", "vector", "tensor")
    }
    expected = 2 * scores
    np.testing.assert_array_equal(column(made["array"], "y"), expected)
    np.testing.assert_array_equal(column(made["vector"], "y"), expected.reshape(6, 10))
    assert made["vector"].schema.field("y").metadata[b"ml_attr"] == b'{"num_attrs":10}'
    cells = made["tensor"]["y"].to_pylist()
    assert {(cell["dtype"], *cell["shape"]) for cell in cells} == {("float32", 2, 5)}
    np.testing.assert_array_equal([np.frombuffer(c["data"], "f4").reshape(2, 5) for c in cells], expected)


def test_softmax_and_argmax_equal_numpys(scores):
    flat = scores.reshape(6, 10)
    model = network([node("Identity", ["x"], ["y"])], [value("x", ["N", 10])], [value("y", ["N", 10])])
    stage = ONNXModel(
        model=model,
        inputCol="x",
        fetchDict={"raw": "y"},
        softMaxDict={"raw": "p"},
        argMaxDict={"raw": "best"},
    )
    made = stage.transform(pa.table({"x": flat.tolist()}))
    powers = np.exp(flat.astype(np.float64))
    np.testing.assert_allclose(column(made, "p"), powers / powers.sum(axis=1, keepdims=True), rtol=1e-5)
    np.testing.assert_array_equal(column(made, "best"), flat.argmax(axis=1))
    assert made.schema.field("p").metadata[b"ml_attr"] == b'{"num_attrs":10}'
    assert made.schema.field("best").type == pa.float64()


def test_softmax_does_not_overflow_on_large_scores():
    model = network([node("Identity", ["x"], ["y"])], [value("x", ["N", 2])], [value("y", ["N", 2])])
    stage = ONNXModel(model=model, inputCol="x", outputCol="raw", softMaxDict={"raw": "p"})
    assert stage.transform(pa.table({"x": [[1e4, 0.0], [-1e4, -1e4]]}))["p"].to_pylist() == [
        [1, 0],
        [0.5, 0.5],
    ]


@pytest.mark.parametrize("labels", [{"strings": ["cat", "dog", "emu"]}, {"ints": [7, 3, 5]}])
def test_a_sequence_of_maps_becomes_a_map_column(labels):
    model = zip_map(**labels)
    data = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    label, maps = reference(model, {"x": data})
    made = ONNXModel(model=model, inputCol="x", miniBatchSize=2).transform(pa.table({"x": data.tolist()}))
    assert made["label"].to_pylist() == label.tolist()
    for got, want in zip(made["probabilities"].to_pylist(), maps, strict=True):
        assert dict(got) == pytest.approx(want)
    assert pa.types.is_map(made.schema.field("probabilities").type)


def test_argmax_of_a_map_is_its_key():
    model = zip_map(ints=[7, 3, 5])
    data = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    stage = ONNXModel(model=model, inputCol="x", fetchDict={"p": "probabilities"}, argMaxDict={"p": "best"})
    best = stage.transform(pa.table({"x": data.tolist()}))["best"].to_pylist()
    assert best == [[7, 3, 5][i] for i in data.argmax(axis=1)]


# -- Spark ------------------------------------------------------------------------------------------------------------


@pytest.mark.spark
def test_spark_vectors_arrays_and_numbers_feed_a_model(spark):
    from pyspark.ml.linalg import Vectors

    model = network(
        [node("Add", ["a", "b"], ["ab"]), node("Mul", ["ab", "c"], ["y"])],
        [value("a", ["N", 3]), value("b", ["N", 3]), value("c", ["N", 1])],
        [value("y", ["N", 3])],
    )
    rows = [
        (Vectors.dense(1, 2, 3), [1.0, 1.0, 1.0], 2),
        (Vectors.sparse(3, [1], [5.0]), [0.5, 0.5, 0.5], 4),
        (Vectors.dense(0, 0, 1), [0.0, 0.0, 0.0], -1),
    ]
    df = spark.createDataFrame(rows, ["v", "array", "number"]).repartition(2)
    stage = ONNXModel(
        model=model, feedDict={"a": "v", "b": "array", "c": "number"}, outputCol="y", outputType="vector"
    )
    made = stage.transform(df)
    for row in made.collect():
        expected = (row["v"].toArray() + np.array(row["array"])) * row["number"]
        np.testing.assert_allclose(row["y"].toArray(), expected)
    assert made.schema["y"].metadata == {"ml_attr": {"num_attrs": 3}}


@pytest.mark.spark
def test_every_form_of_output_is_the_same_on_spark_as_on_a_table(spark):
    data = np.random.default_rng(0).standard_normal((9, 3)).astype(np.float32)
    table = pa.table({"x": data.tolist(), "i": range(9)})
    for form in ("array", "tensor"):
        stage = ONNXModel(
            model=zip_map(strings=["cat", "dog", "emu"]),
            inputCol="x",
            fetchDict={"label": "label", "maps": "probabilities", "p": "p"},
            outputType=form,
            miniBatchSize=2,
        )
        got = stage.transform(spark.createDataFrame(table).repartition(3)).orderBy("i").toPandas()
        want = stage.transform(table)
        for a, b in zip(got["maps"], want["maps"].to_pylist(), strict=True):
            assert a == pytest.approx(dict(b))
        for name in ("label", "p"):
            for a, b in zip(got[name], want[name].to_pylist(), strict=True):
                a = a.asDict() if hasattr(a, "asDict") else a
                if isinstance(b, dict):
                    assert {k: list(v) if k == "shape" else v for k, v in a.items()} == b
                else:
                    np.testing.assert_allclose(a, b, rtol=1e-6)
