"""What ONNXModel does with a graph: batches, cuts and weights in side files."""

from __future__ import annotations

import os
import warnings

import networks
import numpy as np
import onnx
import pyarrow as pa
import pytest
from networks import column, network, node, ragged, reference, value, zip_map

import mmlrs
from mmlrs.errors import ModelLoadError
from mmlrs.onnx import ONNXModel

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
def test_the_optimization_level_does_not_change_the_result(level):
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


@pytest.mark.parametrize("which", ["the same stage", "a new stage"])
def test_a_side_file_that_changes_changes_the_result(external, which):
    table = pa.table({"x": [[1.0] * 64]})
    stage = ONNXModel(model=external, inputCol="x", outputCol="y")
    before = stage.transform(table)["y"].to_pylist()
    weights = external.parent / "weights.bin"
    changed = external.parent / "changed.bin"
    changed.write_bytes(np.negative(np.frombuffer(weights.read_bytes(), np.float32)).tobytes())
    times = weights.stat()
    os.utime(changed, ns=(times.st_atime_ns, times.st_mtime_ns))  # of the same size and time, too
    changed.replace(weights)
    if which == "a new stage":
        stage = ONNXModel(model=external, inputCol="x", outputCol="y")
    after = stage.transform(table)["y"].to_pylist()
    assert after != before


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
    with pytest.raises(ModelLoadError, match="outside the model's folder, which is not allowed") as refused:
        ONNXModel(model=external, inputCol="x", outputCol="y").transform(pa.table({"x": [[0.0] * 64]}))
    assert str(refused.value).startswith("ONNXModel: ")
    assert location in str(refused.value)


def test_weights_in_a_side_file_need_the_models_path(external):
    with pytest.raises(ModelLoadError, match="pass the model's path"):
        ONNXModel(model=external.read_bytes(), inputCol="x", outputCol="y").transform(
            pa.table({"x": [[0.0] * 64]})
        )
