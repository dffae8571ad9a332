"""The network that ships with the package is what its script makes."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper
from places import ROOT, script

COMMITTED = ROOT / "mmlrs" / "models" / "default.onnx"


@pytest.fixture(scope="module")
def made() -> onnx.ModelProto:
    """The model as the script builds it today."""
    return script("make_default_model").build()


@pytest.fixture(scope="module")
def committed() -> onnx.ModelProto:
    """The model in the repository."""
    return onnx.load(COMMITTED)


def test_the_script_reproduces_the_committed_weights(made, committed):
    # Within rounding: the orthogonal weights come out of LAPACK, whose last bits depend on the processor.
    ours = {w.name: numpy_helper.to_array(w) for w in committed.graph.initializer}
    theirs = {w.name: numpy_helper.to_array(w) for w in made.graph.initializer}
    assert ours.keys() == theirs.keys()
    for name, weights in ours.items():
        np.testing.assert_allclose(weights, theirs[name], rtol=0, atol=1e-5, err_msg=name)


def test_the_script_reproduces_the_committed_graph(made, committed):
    bare = [onnx.ModelProto.FromString(m.SerializeToString()) for m in (made, committed)]
    for model in bare:
        del model.graph.initializer[:]
    assert bare[0] == bare[1]


def test_it_is_small_enough_for_the_wheel():
    assert COMMITTED.stat().st_size < 2_000_000


def test_its_metadata_names_tensors_of_the_graph(committed):
    metadata = json.loads({p.key: p.value for p in committed.metadata_props}["mmlrs.image"])
    tensors = {name for node in committed.graph.node for name in node.output}
    assert metadata["featureTensor"] in tensors
    assert set(metadata["layerNames"]) <= tensors
    shape = [d.dim_value for d in committed.graph.input[0].type.tensor_type.shape.dim]
    assert shape[1:] == [3, metadata["height"], metadata["width"]]


def test_scores_are_probabilities_for_any_batch_size():
    session = onnxruntime.InferenceSession(COMMITTED, providers=["CPUExecutionProvider"])
    for rows in (1, 5):
        picture = np.random.default_rng(0).standard_normal((rows, 3, 96, 96)).astype(np.float32)
        (scores,) = session.run(["scores"], {"image": picture})
        assert scores.shape == (rows, 10)
        np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)
