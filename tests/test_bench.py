"""The benchmarks' own arithmetic, and that the peers do the work they claim."""

import sys

import numpy as np
import onnxruntime
import pytest

from bench import memory, peers, pictures, report
from bench.measure import Comparison, Figure, side_by_side
from bench.networks import RESNET50, SQUEEZENET
from bench.processes import Peaks, watch


def test_the_ratio_is_the_median_over_pairs():
    assert Comparison(ours=[1.0, 2.0, 1.0], theirs=[2.0, 6.0, 4.0]).ratio == 3.0


def test_pairs_alternate_and_the_first_call_of_each_is_not_measured():
    calls = []
    timed = side_by_side(lambda: calls.append("a"), lambda: calls.append("b"), pairs=2)
    assert "".join(calls) == "ab" + "ab" + "ba"
    assert len(timed.ours) == len(timed.theirs) == 2


@pytest.mark.parametrize(
    ("value", "target", "at_least", "met"),
    [(3.0, 3.0, True, True), (2.99, 3.0, True, False), (0.2, 0.3, False, True), (1.0, None, True, None)],
)
def test_a_target_is_a_floor_or_a_ceiling(value, target, at_least, met):
    assert Figure("x", value, target=target, at_least=at_least).met is met


def test_the_page_shows_every_figure_beside_its_target():
    page = report.section(
        "JPEG files.",
        [Figure("decode", 2.5, target=3.0, detail="how"), Figure("start", 0.1234, "s", 0.3, at_least=False)],
    )
    assert page.startswith("JPEG files. Measured on 20")
    assert "| decode | 2.50x | ≥ 3.00x | MISSED | how |" in page
    assert "| start | 0.123 s | ≤ 0.300 s | met |" in page


def test_a_measure_rewrites_its_own_section_only(tmp_path, monkeypatch):
    path = tmp_path / "benchmarks.md"
    path.write_text(report.page({"decode": "old", "text": "of another day"}))
    monkeypatch.setattr(report, "PAGE", path)
    report.write("plan", "counts", ["decode", "plan", "text"])
    report.write("decode", report.section("Files.", [Figure("a", 2.0)]), ["decode", "plan", "text"])
    found = report.sections(path.read_text())
    assert list(found) == ["decode", "plan", "text"]
    assert found["decode"].endswith("| a | 2.00x |  |  |  |")
    assert found["plan"] == "counts"
    assert found["text"] == "of another day"
    assert path.read_text().count(report.MACHINE) == 1


def test_peers_agree_on_a_picture_that_needs_no_resize():
    file = [pictures.jpeg(pictures.photographs()["cat"], 224, 224)]
    with_cv2, with_pillow = peers.tensor_with_cv2(file), peers.tensor_with_pillow(file)
    assert with_cv2.shape == (1, 3, 224, 224)
    # Both decode with libjpeg-turbo; the steps of 8-bit rounding are 1/255/std apart.
    assert np.abs(with_cv2 - with_pillow).max() < 3 / 255 / min(peers.STDS)


@pytest.mark.parametrize("network", [SQUEEZENET, RESNET50], ids=lambda network: network.name)
def test_the_batched_graph_computes_what_the_original_does(network):
    tensors = peers.tensor_with_pillow(pictures.jpegs(600, 400)[:2])
    original = onnxruntime.InferenceSession(network.path, providers=["CPUExecutionProvider"])
    expected = [
        original.run([network.output], {network.input: tensors[i : i + 1]})[0].ravel() for i in range(2)
    ]
    got = peers.infer(peers.session(network), network, tensors, batch=2)
    np.testing.assert_allclose(got, np.stack(expected), rtol=1e-4, atol=1e-7)


def test_the_peak_of_a_program_is_seen_and_its_failure_is_an_error():
    peaks, out = watch(
        [sys.executable, "-c", "import time; b = b'x' * (64 << 20); time.sleep(0.3); print(len(b))"], 60
    )
    assert int(out) == 64 << 20
    assert 64 << 10 < peaks.client < 256 << 10
    assert not peaks.pids
    with pytest.raises(RuntimeError, match="no such luck"):
        watch([sys.executable, "-c", "raise SystemExit('no such luck')"], 60)


def test_the_overhead_is_the_jvm_beyond_its_heap_and_a_worker_for_each_core_and_a_quarter():
    peaks = Peaks(jvm=1524 << 10, worker=300 << 10, worker_space=1600 << 10)
    assert memory.settings(peaks, 2) == (1408, 4096)  # 1.25 x (500 + 2 x 300), in steps of 128
    assert memory.settings(peaks, 4) == (2176, 8064)


def test_the_guide_gets_both_tables_and_keeps_its_words():
    job = memory.Job("pictures", "files", memory.write_nothing, 7)
    page = memory.PAGE.read_text()
    text = memory.written(page, [(job, Peaks(jvm=1524 << 10, client=100 << 10))])
    assert "| pictures | 7 | 500 | none | none | none | none | 100 |" in text
    assert "| pictures | 640m | 640m | 640m | none |" in text
    assert text.splitlines()[:5] == page.splitlines()[:5]
    assert memory.written(text, []).count("| pictures |") == 0
