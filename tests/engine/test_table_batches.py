"""How tables are worked on: batches of bounded bytes, rows of errors, Ctrl-C."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pyarrow as pa
import pytest
from pictures import colour, png
from places import TESTS

from mmlrs._progress import Bar
from mmlrs.engine import table as tables
from mmlrs.errors import BatchTooLargeError, DecodeError, LimitExceededError
from mmlrs.featurize import FastVectorAssembler, Featurize, SummarizeData
from mmlrs.image import ImageTransformer, UnrollBinaryImage, decode_to_tensor
from mmlrs.text import UnicodeNormalize

PICTURES = pa.table({"image": [png(colour(16, 16 + i)) for i in range(40)]})


def paced(rows, size_of_row, most=1 << 40, start=4096):
    """The sizes of the batches of so many rows, whose results have `size_of_row` bytes each and fail above `most`."""
    seen = []

    def run(batch, first):
        if batch.num_rows * size_of_row > most:
            raise BatchTooLargeError(
                "the texts of one batch exceed 2^31 bytes; make batches smaller (a setting)"
            )
        seen.append((first, batch.num_rows))
        return batch, batch.num_rows * size_of_row

    made = list(tables._paced(pa.table({"x": np.arange(rows)}), run, [0], (start, tables.BATCH_ROWS), Bar()))
    assert pa.Table.from_batches(made)["x"].to_pylist() == list(range(rows))
    assert [first for first, _ in seen] == list(np.cumsum([0] + [n for _, n in seen[:-1]]))
    return [n for _, n in seen]


def test_batches_follow_the_bytes_that_are_made():
    assert paced(40_000, 8, start=tables.BATCH_ROWS) == [16_384, 16_384, 7_232]
    assert paced(100, tables.BATCH_BYTES // 10, start=16) == [16] + [10] * 8 + [4]
    assert paced(5, 2 * tables.BATCH_BYTES) == [5]
    assert paced(5, 2 * tables.BATCH_BYTES, start=2) == [2, 1, 1, 1]


def test_a_batch_that_is_too_large_for_a_column_is_made_smaller_down_to_one_row():
    assert max(paced(100, 1 << 20, most=30 << 20)) <= 30
    with pytest.raises(
        LimitExceededError, match=r"^the texts of one batch exceed 2\^31 bytes; the batch is only row 0$"
    ):
        paced(2, 2, most=1)


def test_batches_have_bounded_bytes_in_the_columns_that_are_read(monkeypatch):
    monkeypatch.setattr(tables, "BATCH_BYTES", 1000)
    batch = pa.record_batch({"a": [b"x" * 400] * 8, "b": [b"y" * 4000] * 8})
    assert tables._within_bytes(batch, [0]).num_rows == 2
    assert tables._within_bytes(batch, [1]).num_rows == 1
    views = pa.schema(
        [("a", pa.string_view()), ("b", pa.binary()), ("c", pa.dictionary(pa.int8(), pa.string()))]
    )
    assert tables._counted(views, [0, 1, 2]) == [1]


def test_results_are_the_same_whatever_the_batches(monkeypatch):
    stage = UnrollBinaryImage(outputCol="v", height=8, width=8, nChannels=3)
    expected = stage.transform(PICTURES)
    numbers = pa.table({"a": np.arange(50.0), "b": ["x", "y"] * 25})
    fitted = Featurize(inputCols=["a", "b"], outputCol="f").fit(numbers).transform(numbers)
    monkeypatch.setattr(tables, "BATCH_BYTES", 2000)
    made = stage.transform(PICTURES)
    assert made["v"].num_chunks > expected["v"].num_chunks
    assert made["v"].to_pylist() == expected["v"].to_pylist()
    again = Featurize(inputCols=["a", "b"], outputCol="f").fit(numbers).transform(numbers)
    assert again["f"].to_pylist() == fitted["f"].to_pylist()
    assert SummarizeData().transform(numbers)["Count"].to_pylist() == [50, 50]


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([1] * 1000, [256, 744]),  # the first batch is small, to see how many bytes a row makes
        ([1, 2, 300, 1, 0, 1], [3, 300, 2]),
        ([255, 1, 256], [256, 256]),
        ([0, 0], []),
    ],
)
def test_chunks_of_few_rows_are_put_together(chunks, expected):
    whole = pa.table({"a": pa.array([f"t{i}" for i in range(sum(chunks))], pa.string())})
    starts = np.cumsum([0, *chunks])
    table = pa.Table.from_batches(
        [whole.slice(start, n).to_batches()[0] for start, n in zip(starts, chunks, strict=False) if n],
        schema=whole.schema,
    )
    made = UnicodeNormalize(inputCol="a", outputCol="b").transform(table)
    assert [len(chunk) for chunk in made["b"].chunks] == expected
    assert made["b"].to_pylist() == whole["a"].to_pylist()


def test_chunks_whose_types_cannot_be_put_together_stay_apart():
    def levels(letter: str) -> pa.Array:
        texts = pa.DictionaryArray.from_arrays(
            pa.array(range(127), pa.int8()), [f"{letter}{i}" for i in range(127)]
        )
        return pa.ListArray.from_arrays([0, 127], texts)

    odd = pa.chunked_array([levels("x"), levels("y")])  # an int8 cannot number the levels of both
    with pytest.raises(pa.ArrowInvalid):
        pa.concat_arrays(odd.chunks)
    table = pa.table({"odd": odd, "a": pa.chunked_array([["x"], ["y"]])})
    made = UnicodeNormalize(inputCol="a", outputCol="b").transform(table)
    assert made["b"].to_pylist() == ["x", "y"]
    assert made["odd"].equals(odd)


def test_an_error_counts_the_row_from_the_first_of_the_table():
    bad = [*PICTURES.slice(0, 33).to_pylist(), {"image": b"no picture"}]
    with pytest.raises(DecodeError, match="column `image`, row 33 of the table"):
        ImageTransformer(outputCol="o").transform(pa.Table.from_pylist(bad))
    values = pa.table({"x": [1.0] * 5000 + [None]})
    with pytest.raises(DecodeError, match="column `x`, row 5000 of the table"):
        FastVectorAssembler(inputCols=["x"], outputCol="v").transform(values)


def test_a_record_batch_that_cannot_hold_the_result_is_not_cut():
    table = pa.Table.from_batches([pa.record_batch({"x": [1]}), pa.record_batch({"x": [2]})])

    class Halves:
        nbytes = 1 << 33

        def combine_chunks(self):
            return table

    with pytest.raises(LimitExceededError, match="more than one RecordBatch can hold"):
        tables._one_batch(Halves())


INTERRUPTED = """
    import os, signal, sys, threading, time
    import numpy as np, pyarrow as pa
    sys.path.insert(0, {tests!r})
    from networks import counting
    from pictures import colour, jpeg
    from mmlrs.image import ImageTransformer, decode_to_tensor
    from mmlrs.onnx import ONNXModel
    picture = jpeg(colour(1200, 1600))
    pictures = pa.array([picture] * 3000)
    def network(*given, **params):
        model = counting(*given).SerializeToString()
        return ONNXModel(model=model, inputCol="x", outputCol="y", **params)
    numbers = pa.table({{"x": pa.array([[1e15]], pa.list_(pa.float32()))}})
    def shared_with_a_thread():
        model = network()
        threading.Thread(target=model.transform, args=[numbers], daemon=True).start()
        time.sleep(0.3)
        model.transform(numbers)
    def interrupt():
        time.sleep(1)
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)
    sent = []
    threading.Thread(target=interrupt, daemon=True).start()
    try:
        for _ in range(1000):  # a single one may end before the signal
            {work}
        print("finished")
    except KeyboardInterrupt:
        print("interrupted", time.monotonic() - sent[0] < 5)
    small = decode_to_tensor([picture], height=8, width=8)  # the next call works
    print(small.shape, flush=True)
    os._exit(0)  # a thread may run for ever
"""


@pytest.mark.parametrize(
    "work",
    [
        'ImageTransformer(inputCol="i", outputCol="o", scaledDecode=False).resize(32, 32).transform(pa.table({"i": pictures}))',
        "decode_to_tensor(pictures, height=32, width=32, scaled_decode=False)",
        "network().transform(numbers)",
        "network(1, 10**15).transform(numbers)",  # in the trial of another batch
        "shared_with_a_thread()",
    ],
)
def test_ctrl_c_ends_the_work_on_a_table(work):
    program = textwrap.dedent(INTERRUPTED.format(tests=str(TESTS), work=work))
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.splitlines() == ["interrupted True", "(1, 3, 8, 8)"], done.stdout + done.stderr


def test_a_signal_whose_handler_returns_does_not_end_the_work_and_other_threads_are_left_alone():
    seen = []
    before = signal.signal(signal.SIGUSR1, lambda *_: seen.append(1))
    try:
        timer = threading.Timer(0.02, signal.raise_signal, [signal.SIGUSR1])
        timer.start()
        tensors = decode_to_tensor(PICTURES["image"].to_pylist() * 20, height=64, width=64)
        timer.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert tensors.shape == (800, 3, 64, 64)
    results = []
    thread = threading.Thread(
        target=lambda: results.append(ImageTransformer(outputCol="o").transform(PICTURES))
    )
    thread.start()
    thread.join()
    assert results[0].num_rows == PICTURES.num_rows
