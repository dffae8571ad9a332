"""`ONNXModel` returns what Python's onnxruntime returns."""

from __future__ import annotations

import warnings

import networks
import numpy as np
import onnx
import pyarrow as pa
import pytest
from networks import network, node, reference, value
from onnx import TensorProto, numpy_helper

import mmlrs
from mmlrs.errors import ModelLoadError
from mmlrs.onnx import ONNXModel


def column(table: pa.Table, name: str) -> np.ndarray:
    """A column of equally shaped arrays as one array."""
    return np.array(table[name].to_pylist())


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


def ragged() -> onnx.ModelProto:
    """`x[N, L, W]` -> mean over both open dimensions `mean[N]`, and `twice[N, L, W]`."""
    return network(
        [node("ReduceMean", ["x"], ["mean"], axes=[1, 2], keepdims=0), node("Add", ["x", "x"], ["twice"])],
        [value("x", ["N", "L", "W"])],
        [value("mean", ["N"]), value("twice", ["N", "L", "W"])],
    )


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


def zip_map(**labels) -> onnx.ModelProto:
    """What skl2onnx makes of a classifier: a sequence of one map per row."""
    key, kind = (
        ("classlabels_strings", TensorProto.STRING)
        if "strings" in labels
        else ("classlabels_int64s", TensorProto.INT64)
    )
    zipped = node(
        "ZipMap", ["p"], ["probabilities"], domain="ai.onnx.ml", **{key: next(iter(labels.values()))}
    )
    maps = onnx.helper.make_map_type_proto(kind, onnx.helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    sequence = onnx.helper.make_value_info("probabilities", onnx.helper.make_sequence_type_proto(maps))
    return network(
        [node("Softmax", ["x"], ["p"], axis=1), node("ArgMax", ["p"], ["label"], axis=1, keepdims=0), zipped],
        [value("x", ["N", 3])],
        [value("label", ["N"], TensorProto.INT64), sequence],
    )


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


# -- batches ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "runs"), [(1, 7), (3, 3), (7, 1), (64, 1)])
def test_the_last_mini_batch_may_be_shorter(size, runs):
    model = networks.linear()
    data = np.random.default_rng(0).standard_normal((7, 4)).astype(np.float32)
    before = mmlrs.counters()
    stage = ONNXModel(model=model, inputCol="x", outputCol="y", miniBatchSize=size)
    made = stage.transform(pa.table({"x": data.tolist()}))
    after = mmlrs.counters()
    assert after["model_runs"] - before["model_runs"] == runs
    assert after["model_rows"] - before["model_rows"] == 7
    np.testing.assert_allclose(column(made, "y"), reference(model, {"x": data})[0], rtol=1e-5, atol=1e-6)


def test_a_model_is_loaded_once_however_often_it_is_used():
    model, table = networks.linear(seed=99), pa.table({"x": [[1.0, 2.0, 3.0, 4.0]]})
    before = mmlrs.counters()["model_loads"]
    for _ in range(3):
        ONNXModel(model=model, inputCol="x", outputCol="y").transform(table)
    assert mmlrs.counters()["model_loads"] == before + 1


def fixed(batch: int, *, mixes_rows: bool = False) -> onnx.ModelProto:
    """A model exported for exactly `batch` rows; one that mixes its rows cannot take more of them at once."""
    nodes = [node("MatMul", ["x", "w"], ["h"])]
    if mixes_rows:
        nodes += [node("ReduceSum", ["h"], ["s"], keepdims=1), node("Div", ["h", "s"], ["y"])]
    else:
        nodes += [node("Reshape", ["h", "target"], ["y"])]
    weights = {
        "w": np.random.default_rng(5).random((4, 6)).astype(np.float32),
        "target": np.array([batch, 2, 3]),
    }
    shape = [batch, 6] if mixes_rows else [batch, 2, 3]
    return network(nodes, [value("x", [batch, 4])], [value("y", shape)], weights)


def test_a_fixed_batch_of_one_is_made_dynamic_where_the_graph_allows_it():
    data = np.random.default_rng(0).random((5, 4)).astype(np.float32)
    runs = mmlrs.counters()["model_runs"]
    made = ONNXModel(model=fixed(1), inputCol="x", outputCol="y").transform(pa.table({"x": data.tolist()}))
    assert mmlrs.counters()["model_runs"] == runs + 1
    expected = np.concatenate([reference(fixed(1), {"x": row[None]})[0] for row in data])
    np.testing.assert_allclose(column(made, "y"), expected, rtol=1e-5)


def test_a_batch_that_cannot_be_made_dynamic_runs_row_by_row_with_one_warning():
    model = fixed(1, mixes_rows=True)
    data = np.random.default_rng(0).random((5, 4)).astype(np.float32)
    stage, table = ONNXModel(model=model, inputCol="x", outputCol="y"), pa.table({"x": data.tolist()})
    runs = mmlrs.counters()["model_runs"]
    with pytest.warns(
        UserWarning, match="fixed batch of 1 that cannot be made dynamic, so it runs row by row"
    ) as told:
        results = [s.transform(table) for s in (stage, stage, stage.copy())]
    assert len(told) == 1
    assert mmlrs.counters()["model_runs"] == runs + 15
    expected = np.concatenate([reference(model, {"x": row[None]})[0] for row in data])
    for made in results:
        np.testing.assert_allclose(column(made, "y"), expected, rtol=1e-5)


def test_a_fixed_batch_that_is_too_large_for_a_trial_stays_and_says_so():
    batch = 70_000
    table = pa.table({"x": [[1.0, 2.0, 3.0, 4.0]]})
    stage = ONNXModel(model=fixed(batch), inputCol="x", outputCol="y")
    told = f"a fixed batch of {batch} that is too large for a trial of a dynamic one, so it runs {batch} rows at a time"
    with pytest.warns(UserWarning, match=told):
        made = stage.transform(table)
    expected = reference(fixed(1), {"x": np.float32([[1, 2, 3, 4]])})[0]
    np.testing.assert_allclose(column(made, "y"), expected, rtol=1e-5)


def test_a_short_last_batch_of_a_fixed_size_is_filled_up():
    model = network(
        [node("Flatten", ["x"], ["f"], axis=0), node("Reshape", ["f", "t"], ["y"])],
        [value("x", [4, 2])],
        [value("y", [4, 2])],
        {"t": np.array([4, 2])},
    )
    # Flattened to one row and back: only runs of 4 rows fit the graph, or all are found to be dynamic; the rows are right.
    data = np.random.default_rng(0).random((6, 2)).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = ONNXModel(model=model, inputCol="x", outputCol="y").transform(pa.table({"x": data.tolist()}))
    np.testing.assert_array_equal(column(made, "y"), data)


# -- cutting ----------------------------------------------------------------------------------------------------------


def test_an_internal_tensor_can_be_fetched_beside_an_output():
    model = networks.linear()
    data = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
    made = ONNXModel(model=model, inputCol="x", fetchDict={"h": "hidden", "y": "y"}).transform(
        pa.table({"x": data.tolist()})
    )
    hidden, y = reference(networks.with_outputs(model, "hidden", "y"), {"x": data})
    np.testing.assert_allclose(column(made, "h"), hidden, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(column(made, "y"), y, rtol=1e-5, atol=1e-6)


def test_a_cut_drops_nodes_weights_and_inputs_that_nothing_needs():
    weights = {"w": np.ones((4, 2), np.float32), "large": np.ones((2, 500_000), np.float32)}
    model = network(
        [
            node("MatMul", ["x", "w"], ["hidden"]),
            node("Add", ["hidden", "other"], ["both"]),
            node("MatMul", ["both", "large"], ["y"]),
        ],
        [value("x", ["N", 4]), value("other", ["N", 2])],
        [value("y", ["N", 500_000])],
        weights,
    )
    whole = ONNXModel(model=model, inputCol="x")
    cut = whole.cut_at("hidden", outputCol="h")
    table = pa.table({"x": [[1.0, 2.0, 3.0, 4.0]]})
    assert cut.transform(table)["h"].to_pylist() == [[10, 10]], "the input `other` is not needed"
    assert not whole.isSet("fetchDict"), "cut_at returns a new stage"
    from mmlrs import _native

    plan = _native.Stage("ONNXModel", cut.uid, cut._params_json()).plan(table.schema)
    _, [blob] = plan.portable()
    shipped = onnx.ModelProto.FromString(bytes(_native.get_blob(blob.sha256)))
    assert [n.op_type for n in shipped.graph.node] == ["MatMul"]
    assert [w.name for w in shipped.graph.initializer] == ["w"]
    assert [i.name for i in shipped.graph.input] == ["x"]
    assert shipped.ByteSize() < 2_000


def test_a_light_model_cut_in_the_middle_equals_onnxruntime():
    path = networks.LIGHT / "light_squeezenet.onnx"
    model = onnx.load(path)
    inner = next(n.output[0] for n in model.graph.node if n.op_type == "Concat")
    pictures = np.random.default_rng(0).random((3, 3, 224, 224)).astype(np.float32)
    stage = ONNXModel(model=path, inputCol="x", outputType="tensor").cut_at(inner, "maps")
    cells = stage.transform(pa.table({"x": pa.array(list(pictures.reshape(3, -1)))}))["maps"].to_pylist()
    cut = networks.with_outputs(model, inner)
    for cell, picture in zip(cells, pictures, strict=True):
        (expected,) = reference(cut, {"data_0": picture[None]})
        got = np.frombuffer(cell["data"], "f4").reshape(cell["shape"])
        np.testing.assert_allclose(got, expected[0], rtol=1e-3, atol=1e-3)


def test_inputs_and_outputs_are_listed_with_type_and_shape():
    model = ONNXModel(model=networks.LIGHT / "light_squeezenet.onnx")
    assert model.model_inputs() == [{"name": "data_0", "type": "float32", "shape": [1, 3, 224, 224]}]
    assert model.model_outputs() == [{"name": "softmaxout_1", "type": "float32", "shape": [1, 1000, 1, 1]}]
    assert ONNXModel(model=ragged()).model_inputs() == [
        {"name": "x", "type": "float32", "shape": ["N", "L", "W"]}
    ]
    outputs = ONNXModel(model=zip_map(ints=[1, 2, 3])).model_outputs()
    assert outputs[1] == {"name": "probabilities", "type": "sequence(map(int64, float32))", "shape": None}


@pytest.mark.parametrize("level", ["none", "basic", "extended", "all"])
def test_the_optimisation_level_does_not_change_the_result(level):
    model = networks.pictures_network()
    data = np.random.default_rng(0).random((3, 3, 16, 16)).astype(np.float32)
    stage = ONNXModel(model=model, inputCol="x", outputCol="y", optimizationLevel=level, intraOpThreads=2)
    made = stage.transform(pa.table({"x": data.tolist()}))
    np.testing.assert_allclose(column(made, "y"), reference(model, {"image": data})[0], rtol=1e-4, atol=1e-5)


# -- weights in side files --------------------------------------------------------------------------------------------


@pytest.fixture
def external(tmp_path):
    """A model in a folder of its own with its weights in `weights.bin` beside it."""
    folder = tmp_path / "model"
    folder.mkdir()
    model = networks.linear(64, 8)
    onnx.save(
        model, folder / "model.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    return folder / "model.onnx"


def test_a_model_with_weights_in_a_side_file_loads(external):
    assert (external.parent / "weights.bin").exists()
    data = np.random.default_rng(0).standard_normal((3, 64)).astype(np.float32)
    made = ONNXModel(model=external, inputCol="x", outputCol="y").transform(pa.table({"x": data.tolist()}))
    np.testing.assert_allclose(
        column(made, "y"), reference(networks.linear(64, 8), {"x": data})[0], rtol=1e-4, atol=1e-5
    )


def test_a_saved_stage_takes_the_weights_of_the_side_file_along(external, tmp_path):
    stage = ONNXModel(model=external, inputCol="x", outputCol="y")
    table = pa.table({"x": np.random.default_rng(0).standard_normal((3, 64)).tolist()})
    expected = stage.transform(table)
    stage.save(str(tmp_path / "stage"))
    (external.parent / "weights.bin").unlink()
    external.unlink()
    assert ONNXModel.load(str(tmp_path / "stage")).transform(table).equals(expected)


def relocate(path, location: str) -> None:
    model = onnx.load(path, load_external_data=False)
    for weight in model.graph.initializer:
        next(entry for entry in weight.external_data if entry.key == "location").value = location
    path.write_bytes(model.SerializeToString())


@pytest.mark.parametrize("how", ["parent", "absolute", "link", "folder link"])
def test_a_side_file_outside_the_models_folder_is_refused(external, how):
    inside, outside = external.parent / "weights.bin", external.parent.parent / "outside.bin"
    inside.rename(outside)
    location = {
        "parent": "../outside.bin",
        "absolute": str(outside),
        "link": "link.bin",
        "folder link": "up/outside.bin",
    }[how]
    if how == "link":
        (external.parent / "link.bin").symlink_to(outside)
    if how == "folder link":
        (external.parent / "up").symlink_to(external.parent.parent)
    relocate(external, location)
    with pytest.raises(ModelLoadError, match="outside the model's folder, which is refused") as refused:
        ONNXModel(model=external, inputCol="x", outputCol="y").transform(pa.table({"x": [[0.0] * 64]}))
    assert str(refused.value).startswith("ONNXModel: ")
    assert location in str(refused.value)


def test_weights_in_a_side_file_need_the_models_path(external):
    with pytest.raises(ModelLoadError, match="give the model's path"):
        ONNXModel(model=external.read_bytes(), inputCol="x", outputCol="y").transform(
            pa.table({"x": [[0.0] * 64]})
        )


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
