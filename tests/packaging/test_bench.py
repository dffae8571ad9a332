"""The benchmarks' own arithmetic, and that the peers do the work they claim."""

import sys

import numpy as np
import onnxruntime
import pytest

from bench import memory, peers, pictures, report
from bench.__main__ import MEASURES
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
    figures = [
        Figure("decode", 2.5, target=3.0, detail="how"),
        Figure("start", 0.1234, "s", 0.3, at_least=False),
    ]
    page = report.section(
        "files", report.Result("JPEG files.", "2026-01-02", ["a machine", "Python 3"], figures)
    )
    assert page.startswith("## files\n\nJPEG files.\n\n|")
    assert page.endswith("\nMeasured on 2026-01-02: a machine; Python 3.\n")
    assert "| decode | 2.50x | ≥ 3.00x | MISSED | how |" in page
    assert "| start | 0.123 s | ≤ 0.300 s | met |" in page


def test_a_result_is_stored_and_the_page_has_all_of_them(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "PAGE", tmp_path / "benchmarks.md")
    monkeypatch.setattr(report, "RESULTS", tmp_path / "results")

    def measure(setting):
        """Files.

        And more.
        """

    old = report.Result("Texts.", "2020-01-01", ["an old machine"], [Figure("b", 1.0)])
    old.save(report.RESULTS / "text.json")
    new = report.Result.of(measure, [Figure("a", 2.0, "s", target=3.0, at_least=False)])
    new.save(report.RESULTS / "decode.json")
    assert report.Result.load(report.RESULTS / "decode.json") == new
    assert new.title == "Files."
    report.write(["decode", "plan", "text"])
    expected = report.page({"decode": new, "text": old})
    assert report.PAGE.read_text() == expected
    assert expected.index("| a | 2.000 s | ≤ 3.000 s | met |  |") < expected.index(
        "2020-01-01: an old machine."
    )


def test_the_page_is_what_the_stored_results_say():
    results = {name: report.RESULTS / f"{name}.json" for name in MEASURES}
    assert {path.stem for path in report.RESULTS.glob("*")} <= set(results)
    stored = {name: report.Result.load(path) for name, path in results.items() if path.exists()}
    assert report.PAGE.read_text() == report.page(stored)


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
