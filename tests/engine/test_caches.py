"""Bytes of models live as long as somebody needs them, and caches are bounded, listed and cleared."""

from __future__ import annotations

import copy
import gc
import pickle
import subprocess
import sys
import textwrap

import numpy as np
import onnx
import pyarrow as pa
import pytest
from networks import linear
from places import TESTS

import mmlrs
from mmlrs import _native
from mmlrs.image import ImageFeaturizer
from mmlrs.models import ModelHandle
from mmlrs.onnx import ONNXModel

STORED = "bytes of models and files"


def stored():
    gc.collect()
    return mmlrs.cache_info()[STORED]


def model(seed: int) -> bytes:
    return linear(4, 3, seed).SerializeToString()


def test_bytes_go_with_the_last_handle():
    before = stored()
    handle = ModelHandle.from_bytes(b"x" * 1000)
    other = copy.deepcopy(handle)
    assert stored() == (before.entries + 1, before.bytes + 1000, None, None)
    del handle
    assert other.read() == b"x" * 1000
    unpickled = pickle.loads(pickle.dumps(other))
    del other
    assert unpickled.read() == b"x" * 1000
    del unpickled
    assert stored() == before


def test_a_stage_and_its_copies_hold_their_model_and_the_prepared_form_is_dropped_with_the_caches():
    mmlrs.clear_caches()
    before = stored()
    stage = ONNXModel(model=model(11), inputCol="x", outputCol="y")
    table = pa.table({"x": [[1.0, 2.0, 3.0, 4.0]]})
    expected = stage.transform(table)["y"].to_pylist()
    twin = stage.copy()
    del stage
    mmlrs.clear_caches()
    assert twin.transform(table)["y"].to_pylist() == expected
    assert stored().entries == before.entries + 1
    del twin
    mmlrs.clear_caches()
    assert stored() == before
    assert mmlrs.cache_info()["sessions of models"].entries == 0


def test_many_models_in_turn_keep_within_the_bound_of_sessions():
    mmlrs.clear_caches()
    before = stored()
    table = pa.table({"x": [[1.0, 2.0, 3.0, 4.0]]})
    for seed in range(30):
        ONNXModel(model=model(seed), inputCol="x", outputCol="y").transform(table)
    info = mmlrs.cache_info()
    assert info["sessions of models"].entries == info["sessions of models"].max_entries
    assert all(cache.max_entries is None or cache.entries <= cache.max_entries for cache in info.values())
    assert all(cache.max_bytes is None or cache.bytes <= cache.max_bytes for cache in info.values())
    assert stored().entries <= before.entries + 1


def test_the_memory_of_models_that_are_gone_is_free():
    program = """
        import os
        from mmlrs.models import ModelHandle
        memory = lambda: int(open('/proc/self/statm').read().split()[1]) * os.sysconf('SC_PAGE_SIZE') >> 20
        ModelHandle.from_bytes(os.urandom(20 << 20))
        before = memory()
        for _ in range(20):
            ModelHandle.from_bytes(os.urandom(20 << 20))
        print(memory() - before)
    """
    made = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=True,
        cwd=TESTS,
    )
    assert int(made.stdout) < 100


def test_a_frame_holds_the_models_of_its_columns(spark):
    data = spark.createDataFrame([([1.0, 2.0, 3.0, 4.0],)], "x array<float>")
    made = ONNXModel(model=model(77), inputCol="x", outputCol="y").transform(data)
    gc.collect()
    mmlrs.clear_caches()
    # The second model is planned together with the first, whose stage is gone.
    both = ONNXModel(model=model(78), inputCol="x", outputCol="z").transform(made)
    chained = ONNXModel(model=linear(3, 2, 5).SerializeToString(), inputCol="y", outputCol="u").transform(
        both
    )
    row = chained.first()
    weights = [onnx.numpy_helper.to_array(i) for i in onnx.load_from_string(model(77)).graph.initializer]
    assert np.allclose(row.y, np.array([1.0, 2.0, 3.0, 4.0], np.float32) @ weights[0] + weights[1], atol=1e-5)
    assert len(row.u) == 2


def test_put_and_held_bytes_are_found_by_their_hash():
    blob = _native.put_blob(b"some bytes of this test")
    again = _native.hold_blob(blob.sha256)
    sha256 = blob.sha256
    assert again.size == 23
    del blob
    assert _native.get_blob(sha256) == b"some bytes of this test"
    del again
    assert _native.get_blob(sha256) is None


@pytest.mark.spark
def test_a_function_holds_its_model_until_it_is_sent(spark, monkeypatch):
    from mmlrs.engine import spark as engine

    kernel_of = engine.kernel_of

    def after_garbage_collection(*args, **options):
        gc.collect()
        return kernel_of(*args, **options)

    monkeypatch.setattr(engine, "kernel_of", after_garbage_collection)
    stage = ImageFeaturizer(inputCol="content", outputCol="f")
    mmlrs.udf(stage)("content")
    mmlrs.register(spark, "with_a_model", stage)
    mmlrs.pandas_udf(stage)
