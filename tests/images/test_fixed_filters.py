"""The network of fixed filters that other tests use."""

import json

import fixed_filters
import numpy as np
import onnx
import onnxruntime
import pytest


@pytest.fixture(scope="module")
def model() -> onnx.ModelProto:
    return fixed_filters.build()


def test_its_metadata_names_tensors_of_the_graph(model):
    metadata = json.loads({p.key: p.value for p in model.metadata_props}["mmlrs.image"])
    tensors = {name for node in model.graph.node for name in node.output}
    assert metadata["featureTensor"] in tensors
    assert set(metadata["layerNames"]) <= tensors
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    assert shape[1:] == [3, metadata["height"], metadata["width"]]


def test_scores_are_probabilities_for_any_batch_size(model):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for rows in (1, 5):
        picture = np.random.default_rng(0).standard_normal((rows, 3, 96, 96)).astype(np.float32)
        (scores,) = session.run(["scores"], {"image": picture})
        assert scores.shape == (rows, 10)
        np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)
