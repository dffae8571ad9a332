"""Weights that PyTorch saved: the network that they make, and files that attack or are damaged."""

from __future__ import annotations

import contextlib
import pickle
import struct
from pathlib import Path

import numpy as np
import onnxruntime
import pyarrow as pa
import pytest
from packages import weights_of_lite0

from mmlrs import _native, models
from mmlrs.errors import MmlrsError, ModelLoadError
from mmlrs.image import ImageClassifier


@pytest.fixture
def weights() -> bytes:
    return weights_of_lite0().read_bytes()


class _Attack:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def torch_file(state: bytes) -> bytes:
    """A file in PyTorch's old format, with a pickle in the place of the weights."""
    parts = [0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True}]
    return b"".join(pickle.dumps(part, 2) for part in parts) + state + pickle.dumps([], 2)


def test_a_pickle_that_attacks_does_not_run(tmp_path):
    mark = tmp_path / "ran"
    attack = torch_file(pickle.dumps({"weight": _Attack(mark)}, 2))
    pickle.loads(pickle.dumps(_Attack(mark), 2))
    assert mark.exists(), "the attack works in Python's pickle"
    mark.unlink()
    with pytest.raises(
        ModelLoadError, match=r"the weights refer to `.*`; a file of weights holds tensors only"
    ):
        _native.network_of_weights("efficientnet-lite0", attack, "{}")
    assert not mark.exists()


def test_weights_of_another_network_are_refused():
    with pytest.raises(ModelLoadError, match=r"the weights `_conv_stem\.weight` are missing"):
        _native.network_of_weights("efficientnet-lite0", torch_file(pickle.dumps({}, 2)), "{}")


@pytest.mark.parametrize("keep", [0, 1, 14, 20, 137, 5_000, 42_000, 47_200, 1_000_000, 18_826_031])
def test_truncated_weights_are_one_clear_error(weights, keep):
    with pytest.raises(ModelLoadError, match="the weights are damaged: they end early"):
        _native.network_of_weights("efficientnet-lite0", weights[:keep], "{}")


def test_changed_weights_never_panic(weights):
    rng = np.random.default_rng(0)
    for _ in range(60):
        changed = bytearray(weights)
        for at in rng.integers(0, 47_176, 3):
            changed[at] = rng.integers(256)
        with contextlib.suppress(MmlrsError):
            _native.network_of_weights("efficientnet-lite0", bytes(changed), "{}")


def test_a_storage_that_is_longer_than_the_file_is_refused(weights):
    at = 47_176  # the length of the first storage
    length = struct.unpack("<q", weights[at : at + 8])[0]
    assert 0 < length < 10**6
    changed = weights[:at] + struct.pack("<q", 2**62) + weights[at + 8 :]
    with pytest.raises(ModelLoadError, match="a storage has another length than described"):
        _native.network_of_weights("efficientnet-lite0", changed, "{}")


def test_the_network_names_what_photographs_show(tmp_path):
    import io

    import skimage.data
    from PIL import Image

    def encoded(pixels) -> bytes:
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "PNG")
        return out.getvalue()

    photographs = [skimage.data.chelsea(), skimage.data.coffee(), skimage.data.camera()]
    table = pa.table({"image": [encoded(pixels) for pixels in photographs]})
    out = ImageClassifier(outputCol="objects").transform(table)["objects"].to_pylist()
    assert [row[0]["description"] for row in out] == ["Egyptian cat", "espresso", "tripod"]
    assert [row[0]["class"] for row in out] == ["n02124075", "n07920052", "n04485082"]
    assert all(row[0]["probability"] > 0.7 for row in out)
    path = tmp_path / "lite0.onnx"
    path.write_bytes(models.get("efficientnet-lite0").read())
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert session.get_outputs()[0].shape[1:] == [1000]
