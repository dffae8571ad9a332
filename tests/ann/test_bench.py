"""What the benchmarks of networks rely on."""

from __future__ import annotations

import gzip
import io
import json
import socket
import time

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from bench.ann import datasets, direct, epochs, fine_tuner, one_bit, perceptron, symmetric, topics
from bench.ann.datasets import Rows, Split
from bench.ann.peer_job import batches
from bench.ann.slow_link import SlowLinks
from bench.measure import NotInstalledError


@pytest.fixture(scope="module")
def split() -> Split:
    return datasets.digits_split(0)


def test_the_pictures_of_fashion_mnist_are_read_from_its_files(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "FASHION", tmp_path)
    for part, first in (("train", 0), ("t10k", 4)):
        pixels = bytes(range(first, first + 12))
        sizes = b"".join(size.to_bytes(4, "big") for size in (3, 2, 2))
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(
            gzip.compress(b"\0\0\x08\x03" + sizes + pixels)
        )
        labels = b"\0\0\x08\x01" + (3).to_bytes(4, "big") + bytes([9, first, 1])
        (tmp_path / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    found = datasets.fashion(2)
    assert found.test.y.tolist() == [9, 4]
    np.testing.assert_allclose(found.train.x * 255, [[0, 1, 2, 3], [4, 5, 6, 7]], rtol=1e-6)


def test_without_fashion_mnist_one_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "FASHION", tmp_path / "none")
    with pytest.raises(NotInstalledError, match="dataset-fashion-mnist"):
        datasets.fashion()


def test_a_split_of_the_digits_has_each_row_once(split):
    assert (len(split.train), len(split.test)) == (1348, 449)
    together = np.concatenate([split.train.x, split.test.x])
    assert sorted(map(bytes, together)) == sorted(map(bytes, datasets.digits().x))


def test_workers_in_threads_reach_what_one_worker_does(split):
    """With gradient descent, which does not depend on who has which rows."""
    description = direct.perceptron([64, 16, 10])
    settings = {"solver": "gd", "iterations": 5, "step_size": 0.5}
    alone = direct.train(description, split, threads=1, **settings)
    both = direct.together(description, split, 3, **settings)
    weights = [np.frombuffer(one.parameters, "<f4") for one in (alone, both)]
    np.testing.assert_allclose(*weights, rtol=0, atol=1e-5)
    assert both.held_out == pytest.approx(alone.held_out, rel=1e-5)
    assert direct.loss(description, both.parameters, split.train) < both.lines[-1]["loss"]
    assert both.accuracy == pytest.approx(alone.accuracy)


def test_the_operations_of_an_epoch_are_those_of_its_products():
    # 3 rows: forward 2x5 and 5x4, by the weights the same, by the inputs 5x4 only.
    assert epochs.operations((2, 5, 4), 3) == 2 * 3 * (10 + 20 + 10 + 20 + 20)


def test_the_products_of_an_epoch_are_those_of_its_batches(monkeypatch):
    asked = []
    monkeypatch.setattr(epochs._native, "time_products", lambda *given: asked.append(given) or 0.5)
    assert epochs.products("{}", 320) == 1.25  # two and a half batches
    assert asked == [("{}", 128, epochs.PRODUCTS)]


def test_the_batches_of_a_peer_have_each_row_once():
    found = list(batches(300, 1))
    assert [len(rows) for rows in found] == [128, 128, 44]
    assert sorted(np.concatenate(found)) == list(range(300))


def test_the_time_of_an_iteration_is_the_difference_of_two_fits(monkeypatch):
    times = {2: 10.0, 12: 15.0}
    monkeypatch.setattr(perceptron, "seconds", lambda fit: times[fit()])
    assert perceptron.per_iteration(lambda count: count, perceptron.CASES[0]) == pytest.approx(0.5)


def test_rows_become_a_table_of_doubles():
    table = perceptron.as_table(Rows(np.eye(2, dtype=np.float32), np.array([1, 0], np.int32)))
    assert table.to_pydict() == {"features": [[1.0, 0.0], [0.0, 1.0]], "label": [1.0, 0.0]}
    assert json.loads(direct.convolutions(8))["input"] == [8, 8, 1]


def test_pictures_with_a_transparent_background_become_white():
    file = io.BytesIO()
    Image.new("RGBA", (4, 4), (255, 0, 0, 0)).save(file, "PNG")
    [picture] = fine_tuner.opaque(pa.table({"image": [file.getvalue()]}))["image"].to_pylist()
    assert set(picture["data"]) == {255}


def test_pictures_are_split_within_each_class():
    classes = np.repeat([0, 1, 2], [40, 20, 8])
    train, test = fine_tuner.split(classes, 3)
    assert sorted([*train, *test]) == list(range(68))
    assert np.bincount(classes[test]).tolist() == [10, 5, 2]
    assert fine_tuner.split(classes, 4)[1].tolist() != test.tolist()


def test_scores_are_those_of_the_true_classes():
    scores = fine_tuner.Scores.of(np.array([[0.5, 0.5], [0.25, 0.75], [0.25, 0.75]]), np.array([0, 1, 0]))
    assert scores.accuracy == pytest.approx(200 / 3)
    assert scores.loss == pytest.approx(-np.log([0.5, 0.75, 0.25]).mean())


def test_a_chain_of_jobs_ends_where_one_job_does(split):
    """Without compression the state between the jobs is all that matters."""
    description = direct.perceptron([64, 16, 10])
    settings = {"solver": "sgd", "iterations": 3, "step_size": 0.05, "batch_size": 64}
    whole = direct.together(description, split, 2, **settings)
    chain = direct.together(description, split, 2, job=1, **settings)
    assert whole.parameters == chain.parameters
    assert [line["loss"] for line in whole.lines] == [line["loss"] for line in chain.lines]


def test_errors_of_1_bit_gradients_start_anew_with_each_job(split):
    description = direct.perceptron([64, 16, 10])
    settings = {"solver": "sgd", "iterations": 2, "step_size": 0.05, "batch_size": 64, "one_bit": True}
    whole, chain = (direct.together(description, split, 2, job=job, **settings) for job in (None, 1))
    assert whole.lines[0]["loss"] == chain.lines[0]["loss"]
    assert whole.parameters != chain.parameters


def test_the_bytes_of_a_step_are_those_of_all_steps(split):
    """Two workers: each sends half of the gradient, then half of the sum."""
    description = direct.perceptron([64, 16, 10])
    trained = direct.together(description, split, 2, solver="sgd", iterations=2, batch_size=128)
    parameters = 65 * 16 + 17 * 10
    found = one_bit.bytes_per_step(trained, len(split.train))
    assert 4 * parameters < found < 4 * parameters + 100


def test_a_slow_link_carries_all_bytes_in_their_time_in_both_directions():
    target = socket.create_server(("127.0.0.1", 0))
    with target, SlowLinks(1e6) as links:
        sender = socket.create_connection(("127.0.0.1", links.port(target.getsockname()[1])))
        receiver, _ = target.accept()
        with sender, receiver:
            for here, there in ((sender, receiver), (receiver, sender)):
                content = bytes(range(250)) * 400
                started = time.perf_counter()
                here.sendall(content)
                found = there.recv(len(content), socket.MSG_WAITALL)
                assert found == content
                assert time.perf_counter() - started >= 0.1


def test_workers_on_slow_links_reach_what_others_do(split):
    description = direct.perceptron([64, 16, 10])
    settings = {"solver": "sgd", "iterations": 1, "step_size": 0.05}
    fast = direct.Group(description, split, 3, **settings)
    with SlowLinks(1e7) as links:
        slow = direct.Group(description, split, 3, port=links.port, **settings)
        assert slow.run(1)[0]["loss"] == fast.run(1)[0]["loss"]
        assert slow.parameters() == fast.parameters()
        slow.close()
    fast.close()


@pytest.fixture
def fortunes(tmp_path, monkeypatch):
    monkeypatch.setattr(topics, "FORTUNES", tmp_path)
    for number, topic in enumerate(topics.TOPICS):
        own = [f"word{number} and one more of text {at}" for at in range(10)]
        (tmp_path / topic).write_text("\n%\n".join(["in all files", *own, own[0]]) + "\n%\n", "utf-8")
    return tmp_path


def test_texts_have_their_topics_and_are_read_once(fortunes):
    texts, numbers = topics.texts()
    assert texts[:2] == ["in all files", "word0 and one more of text 0"]
    assert len(texts) == len(set(texts)) == 1 + 10 * len(topics.TOPICS)
    assert all(f"word{number}" in text for text, number in zip(texts[1:], numbers[1:], strict=True))


def test_without_fortunes_one_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(topics, "FORTUNES", tmp_path / "none")
    with pytest.raises(NotInstalledError, match="package fortunes"):
        topics.texts()


def test_texts_become_vectors_of_unit_length_beside_their_topics(fortunes):
    split = topics.topics_split(1)
    assert (len(split.train), len(split.test)) == (65, 16)
    for part in (split.train, split.test):
        np.testing.assert_allclose(np.linalg.norm(part.x, axis=1), 1, rtol=1e-5)
    own = [set(np.flatnonzero(split.train.x[split.train.y == topic].min(axis=0) > 0)) for topic in (1, 2)]
    assert own[0] != own[1]  # the slot of the word that all texts of a topic have
    assert len(topics.topics_split(1, 20).test) == 4


def test_symmetric_steps_are_compared_with_sequential_ones_of_the_same_rows(split):
    train, test = (Rows(part.x, part.y % len(topics.TOPICS)) for part in (split.train[:640], split.test))
    few = Split(train, test)
    found = symmetric.compared(few, 0.01, 2, 0)
    assert found.sequential[1] < found.sequential[0]
    assert found.symmetric[1] == pytest.approx(found.sequential[1], rel=0.02)
    assert found.averaged[1] > 1.1 * found.sequential[1]
