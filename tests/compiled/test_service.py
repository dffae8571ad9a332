"""The example of a web service answers over loopback, under eight threads."""

from __future__ import annotations

import http.client
import importlib.util
import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from places import ROOT

import mmlrs
from mmlrs.compiled import CompiledModel
from mmlrs.engine.scalars import one_cell
from mmlrs.errors import MmlrsError
from mmlrs.featurize import Featurize, IndexToValue, ValueIndexer
from mmlrs.image import ImageClassifier
from mmlrs.testing import sample_image

uvicorn = pytest.importorskip("uvicorn")

THREADS = 8
TABLE = pa.table({"age": [31.0, 45.0, 20.0], "member": [True, False, True], "city": ["Rome", "Oslo", "Rome"]})


@pytest.fixture(scope="module")
def model() -> CompiledModel:
    index = ValueIndexer(inputCol="city", outputCol="place").fit(TABLE)
    stages = [
        Featurize(inputCols=["age", "member", "city"], outputCol="features").fit(TABLE),
        index,
        IndexToValue(inputCol="place", outputCol="name", levels=["O", "R"]),
    ]
    return mmlrs.compile(stages)


def rows() -> list[Any]:
    """Good rows of several types and orders, and bad ones."""
    found: list[Any] = []
    for i in range(24):
        row = {"age": i if i % 3 else i / 7, "member": bool(i % 2), "city": ("Rome", "Oslo")[i % 2]}
        found.append(row if i % 4 else dict(reversed(row.items())))
        found.append({**row, f"other{i}": i})
    infinite = [{"age": float("inf"), "member": True, "city": "Rome"}]
    nulls = [{"age": None, "member": True, "city": "Rome"}, {"age": 3.5, "member": None, "city": "Oslo"}]
    bad = [
        {"age": "old", "member": True, "city": "Rome"},
        {"age": [1.0], "member": True, "city": "Rome"},
        {"age": 2**70, "member": True, "city": "Rome"},
        {"age": 1.0, "member": True, "city": "Lima"},
        {"age": 1.0, "city": "Rome"},
        [1, 2],
        "text",
        None,
    ]
    return found + infinite + nulls + bad


def outcome(work: Callable[[Any], Any], row: Any) -> Any:
    """Return what a call returns, or its error."""
    try:
        return work(row)
    except MmlrsError as error:
        return type(error).__name__, str(error)


@contextmanager
def switching_often() -> Iterator[None]:
    """Let threads alternate as often as possible."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def in_threads(work: Callable[[random.Random], None]) -> None:
    """Run a function in eight threads that begin together; raise what one of them raises."""
    together = threading.Barrier(THREADS)

    def begin(seed: int) -> None:
        together.wait(30)
        work(random.Random(seed))

    with switching_often(), ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(begin, seed) for seed in range(THREADS)]:
            done.result(60)


def test_eight_threads_get_the_answers_of_their_own_rows(model):
    # Each expected answer comes from a model of its own, which has seen no other row.
    expected = [(row, outcome(model.copy().predict_one, row)) for row in rows()]
    assert sum(isinstance(answer, tuple) for _, answer in expected) == 8
    shared = model.copy()

    def work(order: random.Random) -> None:
        for row, answer in order.choices(expected, k=150):
            assert outcome(shared.predict_one, row) == answer, row

    in_threads(work)


def test_a_row_that_fails_does_not_change_how_the_next_one_is_read(model):
    row = {"age": None, "member": True, "city": "Rome"}
    expected = model.copy().predict_one(row)
    used = model.copy()
    with pytest.raises(MmlrsError, match="`age`: has type string"):
        used.predict_one({**row, "age": "old"})
    assert used.predict_one(row) == expected
    used.predict_one({**row, "age": 4})
    assert used.predict_one(row) == expected


FIRST = """
import json, sys
sys.modules["pyspark"] = None
from mmlrs.compiled import CompiledModel
found = CompiledModel.load(sys.argv[1]).predict_one(json.loads(sys.argv[2]))
late = {"pandas", "pyarrow.dataset", "mmlrs.compiled._spark_features", "mmlrs.compiled._spark_learners"}
print(json.dumps([found, sorted(late & set(sys.modules))]))
"""


def test_the_first_answer_of_a_process_waits_for_no_import_that_it_does_not_need(model, tmp_path):
    model.save(tmp_path / "model")
    row = {"age": 3, "member": True, "city": "Rome"}
    done = subprocess.run(
        [sys.executable, "-c", FIRST, str(tmp_path / "model"), json.dumps(row)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert json.loads(done.stdout) == [model.predict_one(row), []]


@pytest.mark.parametrize(
    "value",
    [
        1.5,
        float("inf"),
        7,
        -(2**63),
        True,
        False,
        "",
        "a€",
        b"",
        b"\xff\x00",
        None,
        [1.0],
        ["a"],
        np.float64(2),
    ],
    ids=repr,
)
def test_an_array_of_one_cell_is_what_pyarrow_makes_of_it(value):
    expected = pa.array([value])
    made = one_cell(value)
    made.validate(full=True)
    assert made.equals(expected)
    for kind in (pa.float64(), pa.int64(), pa.string(), pa.binary(), pa.list_(pa.float32())):
        try:
            expected = pa.array([value], kind)
        except pa.ArrowException as error:
            with pytest.raises(type(error)):
                one_cell(value, kind)
        else:
            assert one_cell(value, kind).equals(expected)


@contextmanager
def served(model: CompiledModel, folder: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, Any]]:
    """Run the example with a saved model, and yield its port and the module."""
    model.save(folder)
    monkeypatch.setenv("MODEL", str(folder))
    spec = importlib.util.spec_from_file_location("service", ROOT / "examples" / "service.py")
    assert spec is not None
    assert spec.loader is not None
    service = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(service)
    server = uvicorn.Server(uvicorn.Config(service.app, port=0, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1], service
    finally:
        server.should_exit = True
        thread.join(30)


def ask(
    port: int, body: bytes, kind: str = "application/json", path: str = "/predict", method: str = "POST"
) -> Any:
    """Return the status and the content of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, {"Content-Type": kind})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_the_service_answers_good_and_bad_requests_under_eight_threads(model, tmp_path, monkeypatch):
    expected = []
    for row in rows():
        found = outcome(model.copy().predict_one, row)
        if not isinstance(found, tuple) and float("inf") in found["features"]:
            found = (ValueError, "the answer has NaN or an infinity")
        failed = isinstance(found, tuple)
        expected.append((json.dumps(row).encode(), 422 if failed else 200, found[1] if failed else found))
    good = [json.loads(body) for body, status, _ in expected if status == 200]
    # A list answers as a whole; its error names the item.
    [several] = [[model.copy().predict_one(row) for row in good[:3]]]
    expected = [e for e in expected if not e[0].startswith(b"[")]
    expected.append((json.dumps(good[:3]).encode(), 200, several))
    expected.append((b"{not json", 400, "the body is not JSON"))
    with served(model, tmp_path / "model", monkeypatch) as (port, _):

        def work(order: random.Random) -> None:
            for body, status, answer in order.choices(expected, k=25):
                got, content = ask(port, body)
                assert got == status, (body, content)
                if status == 200:
                    assert content == answer
                else:
                    assert answer in content["error"]

        in_threads(work)
        status, content = ask(port, json.dumps([good[0], {"age": 1.0, "city": "Rome"}]).encode())
        assert status == 422
        assert content["error"].startswith("item 1 of the list: FeaturizeModel: column `member`: not found")
        assert ask(port, b"", path="/health", method="GET") == (200, {"status": "ok"})
        assert ask(port, b"", path="/nothing")[0] == 404
        assert ask(port, b"", method="PUT")[0] == 405
        assert ask(port, b"\xff\xfe{")[0] == 400


def test_the_service_answers_pictures(tmp_path, monkeypatch):
    model = mmlrs.compile([ImageClassifier(inputCol="image", outputCol="classes", topK=1)])
    pictures = [sample_image("jpeg"), sample_image("png")]
    with served(model, tmp_path / "model", monkeypatch) as (port, service):
        for data in pictures:
            assert ask(port, data, "image/jpeg") == (
                200,
                json.loads(json.dumps(model.predict_one({"image": data}))),
            )
        status, content = ask(port, b"not a picture", "image/png")
        assert status == 422
        assert "ImageClassifier" in content["error"]
        monkeypatch.setattr(service, "LARGEST", 1000)
        assert ask(port, pictures[0], "image/jpeg") == (413, {"error": "the body is larger than 1000 bytes"})
