"""Where the batch of a model is: what its dimensions are called, what a trial run says, and what is refused."""

from __future__ import annotations

import warnings

import numpy as np
import onnx
import pyarrow as pa
import pytest
from networks import network, node, reference, value
from onnx import TensorProto

import mmlrs
from mmlrs.errors import ExecutionError, ModelLoadError
from mmlrs.image import ImageFeaturizer
from mmlrs.onnx import ONNXModel

RNG = np.random.default_rng(0)
STEPS, FEATURES, HIDDEN = 5, 3, 2


@pytest.fixture(autouse=True)
def nothing_told_yet(monkeypatch):
    """A warning comes once per process and text."""
    monkeypatch.setattr("mmlrs._warnings._warned", set())


def weights(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


LSTM = {"W": weights(1, 4 * HIDDEN, FEATURES), "R": weights(1, 4 * HIDDEN, HIDDEN), "axis": np.array([1])}


def lstm(shape: list, out: list) -> onnx.ModelProto:
    """An LSTM as PyTorch has it: `[steps, batch, features]` in and `[steps, batch, hidden]` out."""
    nodes = [node("LSTM", ["x", "W", "R"], ["Y"], hidden_size=HIDDEN), node("Squeeze", ["Y", "axis"], ["y"])]
    return network(nodes, [value("x", shape)], [value("y", out)], LSTM)


@pytest.fixture(scope="module")
def sequences() -> np.ndarray:
    return weights(5, STEPS, FEATURES)


def expected_states(model: onnx.ModelProto, rows: np.ndarray) -> np.ndarray:
    """Row by row through onnxruntime, each as a batch of one at the second axis."""
    return np.stack([reference(model, {"x": row[:, None, :]})[0][:, 0] for row in rows])


NAMED = {
    "named": (["seq", "batch", FEATURES], ["seq", "batch", HIDDEN]),
    "letters": (["T", "N", FEATURES], ["T", "N", HIDDEN]),
    "an output without names": (["seq", "batch", FEATURES], [None, None, HIDDEN]),
    "without names": ([None, None, FEATURES], [None, None, HIDDEN]),
    "a fixed batch of one": (["seq", 1, FEATURES], ["seq", 1, HIDDEN]),
    "everything fixed": ([STEPS, 1, FEATURES], [STEPS, 1, HIDDEN]),
}


@pytest.mark.parametrize("kind", NAMED)
@pytest.mark.parametrize("size", [1, 2, 5])
def test_sequences_whose_batch_is_the_second_axis_keep_their_rows(kind, size, sequences):
    model = lstm(*NAMED[kind])
    runs = mmlrs.counters()["model_runs"]
    made = ONNXModel(model=model, miniBatchSize=size).transform(pa.table({"x": sequences.tolist()}))
    assert mmlrs.counters()["model_runs"] - runs == -(-5 // size), "whole mini-batches"
    np.testing.assert_allclose(made["y"].to_pylist(), expected_states(model, sequences), rtol=1e-4, atol=1e-6)


def test_each_input_and_output_has_the_batch_where_its_own_names_say():
    """A state of `[layers, batch, hidden]` beside rows of `[batch, features]`."""
    model = network(
        [
            node("ReduceSum", ["state"], ["s"], keepdims=0),
            node("Transpose", ["state"], ["new"], perm=[0, 1, 2]),
            node("ReduceMean", ["state"], ["mean"], axes=[0], keepdims=0),
            node("Add", ["x", "mean"], ["y"]),
            node("Transpose", ["y"], ["turned"], perm=[1, 0]),
        ],
        [value("x", ["N", 4]), value("state", [2, "N", 4])],
        [value("y", ["N", 4]), value("new", [2, "N", 4]), value("turned", [4, "N"])],
    )
    x, state = weights(3, 4), weights(3, 2, 4)
    made = ONNXModel(model=model).transform(pa.table({"x": x.tolist(), "state": state.tolist()}))
    np.testing.assert_allclose(made["y"].to_pylist(), x + state.mean(axis=1), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(made["new"].to_pylist(), state)
    np.testing.assert_allclose(made["turned"].to_pylist(), x + state.mean(axis=1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rows", [1, 3, 4])
@pytest.mark.parametrize("names", [("N", "N"), ("N", None), (None, None)])
def test_an_output_with_its_batch_last_keeps_its_rows(rows, names):
    into, out = names
    model = network(
        [node("Transpose", ["x"], ["y"], perm=[1, 0])], [value("x", [into, 4])], [value("y", [4, out])]
    )
    data = np.arange(rows * 4.0).reshape(rows, 4)
    made = ONNXModel(model=model).transform(pa.table({"x": data.tolist()}))
    assert made["y"].to_pylist() == data.tolist()


def test_an_internal_tensor_with_its_batch_in_the_middle_can_be_fetched():
    model = network(
        [
            node("Transpose", ["x"], ["steps"], perm=[1, 0, 2]),
            node("LSTM", ["steps", "W", "R"], ["Y"], hidden_size=HIDDEN),
            node("Squeeze", ["Y", "axis"], ["states"]),
            node("Transpose", ["states"], ["y"], perm=[1, 0, 2]),
        ],
        [value("x", ["batch", "seq", FEATURES])],
        [value("y", ["batch", "seq", HIDDEN])],
        LSTM,
    )
    table = pa.table({"x": weights(5, STEPS, FEATURES).tolist()})
    made = ONNXModel(model=model, fetchDict={"y": "y", "inner": "states"}).transform(table)
    assert made["inner"].to_pylist() == made["y"].to_pylist()


def test_a_body_reads_what_was_turned():
    """`If` takes the input from outside of its bodies."""
    branches = {
        name: onnx.helper.make_graph([node(kind, ["x"], ["out"])], name, [], [value("out", None)])
        for name, kind in (("then_branch", "Neg"), ("else_branch", "Identity"))
    }
    model = network(
        [node("If", ["yes"], ["y"], **branches)],
        [value("x", ["seq", "batch", 2])],
        [value("y", ["seq", "batch", 2])],
        {"yes": np.array(True)},
    )
    rows = weights(3, 4, 2)
    made = ONNXModel(model=model).transform(pa.table({"x": rows.tolist()}))
    np.testing.assert_array_equal(made["y"].to_pylist(), -rows)


# -- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "shape", "what"),
    [
        (node("ReduceSum", ["x"], ["y"], keepdims=0), [], r"\[\]"),
        (node("ReduceMax", ["x"], ["y"], axes=[0], keepdims=0), [4], r"\[4\]"),
        (node("ReduceMax", ["x"], ["y"], axes=[0], keepdims=0), None, r"\[4\]"),
    ],
)
@pytest.mark.parametrize("policy", ["error", "keep"])
def test_an_output_over_the_whole_batch_is_refused(operation, shape, what, policy):
    model = network([operation], [value("x", ["N", 4])], [value("y", shape)])
    stage = ONNXModel(model=model, handleInvalid=policy)
    for rows in (1, 4):
        with pytest.raises(
            ExecutionError,
            match=rf"^ONNXModel: output `y` has shape {what} for 2 rows: none of its dimensions is the batch",
        ):
            stage.transform(pa.table({"x": [[1.0, 2.0, 3.0, 4.0]] * rows}))


def test_a_sequence_without_a_batch_is_refused():
    model = network(
        [node("CumSum", ["x", "zero"], ["y"])],
        [value("x", ["seq", 3])],
        [value("y", ["seq", 3])],
        {"zero": np.array(0)},
    )
    with pytest.raises(ModelLoadError, match=r"cannot determine which dimension of `x` .* is the batch"):
        ONNXModel(model=model).transform(pa.table({"x": [[1.0, 2.0, 3.0]] * 2}))


def test_rows_of_a_fixed_number_that_influence_each_other_are_refused():
    model = network(
        [node("CumSum", ["x", "zero"], ["y"])],
        [value("x", [4, 3])],
        [value("y", [4, 3])],
        {"zero": np.array(0)},
    )
    with pytest.raises(ModelLoadError, match="fixed first dimension of 4 which is not the batch"):
        ONNXModel(model=model).transform(pa.table({"x": [[1.0, 2.0, 3.0]] * 4}))


# -- graphs that work for one row only, although they declare any number ----------------------------------------------


def baked(batch: str | int | None, target: list[int]) -> onnx.ModelProto:
    return network(
        [node("Reshape", ["x", "target"], ["flat"]), node("MatMul", ["flat", "w"], ["y"])],
        [value("x", [batch, 2, 2])],
        [value("y", [batch, 3])],
        {"target": np.array(target), "w": np.arange(12, dtype=np.float32).reshape(4, 3)},
    )


SQUARES = np.arange(12.0).reshape(3, 2, 2)


@pytest.mark.parametrize("policy", ["error", "keep", "skip"])
@pytest.mark.parametrize("batch", ["N", None])
def test_a_free_batch_that_the_graph_bakes_in_runs_row_by_row_with_a_warning(batch, policy):
    model = baked(batch, [1, 4])
    stage = ONNXModel(model=model, handleInvalid=policy)
    with pytest.warns(
        UserWarning, match="ONNXModel: the model declares a free batch, .* runs row by row"
    ) as told:
        made = [stage.transform(pa.table({"x": SQUARES.tolist()})) for _ in range(2)]
    assert len(told) == 1
    expected = SQUARES.reshape(3, 4) @ np.arange(12.0).reshape(4, 3)
    for table in made:
        assert table["y"].to_pylist() == expected.tolist()


def test_a_reshape_that_follows_the_batch_runs_in_mini_batches_without_a_warning():
    runs = mmlrs.counters()["model_runs"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = ONNXModel(model=baked("N", [-1, 4])).transform(pa.table({"x": SQUARES.tolist()}))
    assert mmlrs.counters()["model_runs"] == runs + 1
    assert len(made["y"]) == 3


def test_a_baked_batch_that_nothing_foretells_still_gives_every_row():
    """An Add of a constant of one row fails on several in a way that no look at the graph shows."""
    model = network(
        [
            node("Shape", ["x"], ["shape"]),
            node("Gather", ["shape", "zero"], ["rows"]),
            node("Sub", ["rows", "one"], ["spare"]),
            node("Gather", ["table", "spare"], ["zeros"]),
            node("Add", ["x", "zeros"], ["y"]),
        ],
        [value("x", ["N", 2])],
        [value("y", ["N", 2])],
        {"zero": np.array(0), "one": np.array(1), "table": np.zeros(1, np.float32)},
    )
    for policy in ("error", "keep"):
        made = ONNXModel(model=model, handleInvalid=policy).transform(
            pa.table({"x": [[1.0, 2.0], [3.0, 4.0]]})
        )
        assert made["y"].to_pylist() == [[1, 2], [3, 4]]


def test_a_picture_network_that_bakes_its_batch_in_gives_every_picture():
    from mmlrs.testing import sample_image

    model = network(
        [
            node("GlobalAveragePool", ["image"], ["g"]),
            node("Reshape", ["g", "target"], ["f"]),
            node("Gemm", ["f", "w"], ["scores"]),
        ],
        [value("image", ["N", 3, 8, 8])],
        [value("scores", ["N", 2])],
        {"target": np.array([1, 3]), "w": np.ones((3, 2), np.float32)},
    )
    table = pa.table({"image": [sample_image("jpeg"), sample_image("png")] * 2})
    with pytest.warns(UserWarning, match="row by row"):
        made = ImageFeaturizer(outputCol="f", model=model).transform(table)
    rows = made["f"].to_pylist()
    assert rows[:2] == rows[2:]
    assert all(len(row) == 3 for row in rows)


@pytest.mark.spark
def test_workers_follow_what_the_driver_found(spark, sequences):
    rows = [(i, row.tolist()) for i, row in enumerate(sequences)]
    frame = spark.createDataFrame(rows, "i int, x array<array<float>>").repartition(2)
    model = lstm(*NAMED["without names"])
    made = ONNXModel(model=model, miniBatchSize=2).transform(frame).orderBy("i").collect()
    np.testing.assert_allclose(
        [row["y"] for row in made], expected_states(model, sequences), rtol=1e-4, atol=1e-6
    )


def test_maps_and_texts_come_row_by_row_from_models_without_names():
    model = network(
        [node("Identity", ["x"], ["y"])],
        [value("x", [None, None], TensorProto.STRING)],
        [value("y", [None, None], TensorProto.STRING)],
    )
    cells = [["a", "b"], ["c", "d"], ["e", "f"]]
    assert ONNXModel(model=model).transform(pa.table({"x": cells}))["y"].to_pylist() == cells


def test_the_shape_that_is_declared_is_what_is_listed():
    shape = ONNXModel(model=lstm(*NAMED["named"])).model_inputs()[0]["shape"]
    assert shape == ["seq", "batch", FEATURES]
