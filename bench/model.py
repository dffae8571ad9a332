"""ONNXModel on a table against a bare loop over prepared tensors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from bench import decode, peers, pictures
from bench.measure import Figure, Setting, side_by_side
from bench.networks import RESNET50

ROWS = 32
BATCH = 16


def model(setting: Setting) -> Iterator[Figure]:
    """ResNet-50 on a table of tensors, one thread and the same batch on both sides."""
    from mmlrs.onnx import ONNXModel

    tensors = decode.tensor_with_mmlrs(pictures.repeated(pictures.jpegs(600, 400), ROWS))
    table = pa.table({"tensor": pa.FixedShapeTensorArray.from_numpy_ndarray(tensors)})
    stage = ONNXModel(
        model=str(RESNET50.path),
        feedDict={RESNET50.input: "tensor"},
        fetchDict={"scores": RESNET50.output},
        miniBatchSize=BATCH,
        intraOpThreads=1,
    )
    bare = peers.session(RESNET50)

    ours = np.stack(stage.transform(table).column("scores").to_pylist()).reshape(ROWS, -1)
    np.testing.assert_allclose(ours, peers.infer(bare, RESNET50, tensors, BATCH), rtol=1e-4, atol=1e-6)

    timed = side_by_side(
        lambda: stage.transform(table),
        lambda: peers.infer(bare, RESNET50, tensors, BATCH),
        setting.pairs(7),
    )
    what = "ONNXModel on a table, ResNet-50, against a bare onnxruntime loop on prepared tensors"
    yield Figure(what, timed.ratio, target=0.97, detail=timed.detail(ROWS, "onnxruntime"))
