"""Forked children (multiprocessing, servers that load first and fork then, data loaders) work as their parent does.

Every program runs in a process of its own, and a child that hangs fails it after some seconds.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

HEAD = """
    import os, pickle, signal, sys, threading
    import numpy as np
    import pyarrow as pa
    from mmlrs.featurize import Featurize
    from mmlrs.image import ImageFeaturizer, decode_to_tensor
    from mmlrs.models import ModelHandle
    from mmlrs.onnx import ONNXModel
    from mmlrs.testing import sample_image, sample_model, sample_text_model, sample_tokenizer
    from mmlrs.text import HuggingFaceTokenizer, TextEmbedder

    SECONDS = 45
    pictures = [sample_image("jpeg"), sample_image("png")] * 4
    texts = [f"the cat sat {i} times" for i in range(40)]
    table = pa.table({"x": [[1.0, 2.0, 3.0, float(i)] for i in range(40)]})
    people = pa.table({"age": [float(i) for i in range(40)], "text": texts})
    model = ModelHandle.from_bytes(sample_model())

    def decoded():
        return decode_to_tensor(pictures, height=16, width=16, threads=4)

    def featurized():
        stage = ImageFeaturizer(outputCol="v", intraOpThreads=4)
        return stage.transform(pa.table({"image": pictures}))["v"].to_pylist()

    def scored():
        return ONNXModel(model=model, intraOpThreads=4).transform(table).to_pylist()

    def tokenized():
        stage = HuggingFaceTokenizer(inputCol="text", tokenizer=sample_tokenizer(), maxLength=8)
        return stage.transform(people).to_pylist()

    def embedded():
        stage = TextEmbedder(
            inputCol="text", outputCol="v", model=sample_text_model(), tokenizer=sample_tokenizer(), maxLength=16
        )
        return stage.transform(people)["v"].to_pylist()

    def fitted():
        fit = Featurize(inputCols=["age", "text"], outputCol="v", numFeatures=64).fit(people)
        return fit.transform(people)["v"].to_pylist()

    WORK = [decoded, featurized, scored, tokenized, embedded, fitted]

    def all_work():
        return [work() for work in WORK]

    def in_child(work, leave=os._exit):
        "What `work` returns in a forked child, which then leaves by `leave`."
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read)
            signal.alarm(SECONDS)  # a child that hangs dies, and its parent reads nothing
            with open(write, "wb") as file:
                pickle.dump(work(), file)
            leave(0)
        os.close(write)
        with open(read, "rb") as file:
            content = file.read()
        status = os.waitpid(child, 0)[1]
        if status:
            raise SystemExit(f"a child ends with status {status} after {len(content)} bytes")
        return pickle.loads(content)

    def check(found, expected):
        for work, left, right in zip(WORK, found, expected, strict=True):
            assert pickle.dumps(left) == pickle.dumps(right), work.__name__
"""

PROGRAMS = {
    "a child does what its parent did": """
        expected = all_work()
        check(in_child(all_work), expected)
        check(all_work(), expected)
    """,
    "a child works whose parent did nothing": """
        first = in_child(all_work)
        check(all_work(), first)
    """,
    "a grandchild works, and each may leave in the usual way": """
        expected = all_work()

        def both():
            return all_work(), in_child(all_work, sys.exit)

        for found in in_child(both, sys.exit):
            check(found, expected)
    """,
    "the workers of a pool work": """
        import multiprocessing

        expected = all_work()

        def one(i):
            return WORK[i]()

        with multiprocessing.get_context("fork").Pool(2) as pool:
            check(pool.map_async(one, range(len(WORK)), 1).get(timeout=SECONDS), expected)
    """,
    "a fork in the middle of another thread's work": """
        expected = all_work()
        stop = threading.Event()

        def busy(work):
            i = 0
            while not stop.is_set():
                work(i)
                i += 1

        def new_bytes(i):
            ModelHandle.from_bytes(b"%d" % i)

        def new_session(i):
            ONNXModel(model=model, intraOpThreads=1 + i % 12).transform(table)

        threads = [
            threading.Thread(target=busy, args=(work,), daemon=True)
            for work in (new_bytes, new_session, lambda i: decoded())
        ]
        for thread in threads:
            thread.start()
        for i in range(4):
            handle = in_child(lambda: ModelHandle.from_bytes(b"child").sha256)
            assert len(handle) == 64
            check(in_child(all_work) if i == 0 else expected, expected)
            assert in_child(lambda: [decoded().sum(), scored()]) == [decoded().sum(), expected[2]]
        stop.set()
        for thread in threads:
            thread.join()
    """,
    "a file that was sent to the workers stays until its own process ends": """
        from mmlrs.engine import artifacts

        path = artifacts._file("0" * 64, b"model")
        in_child(lambda: None, sys.exit)
        assert os.path.exists(path)
        assert in_child(lambda: artifacts._file("0" * 64, b"model"), sys.exit) != path
        print(path)
    """,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_after_a_fork(name):
    text = textwrap.dedent(HEAD) + textwrap.dedent(PROGRAMS[name]) + "\nprint('done')\n"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", text],
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines()[-1] == "done"
