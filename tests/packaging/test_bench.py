"""The benchmarks' own arithmetic, and that the peers do the work they claim."""

import io
import re
import socket
import sys

import numpy as np
import onnxruntime
import pyarrow as pa
import pytest
from PIL import Image

from bench import __main__ as command
from bench import daft_job, decode, memory, names, peers, pictures, published, report, scaling, tuxpaint
from bench.__main__ import MEASURES
from bench.measure import Comparison, Figure, NotInstalledError, required, side_by_side
from bench.networks import RESNET50, SQUEEZENET, free, lite0
from bench.processes import Peaks, watch
from mmlrs.demo import stamps
from mmlrs.examples.scaling import Run, ScalingModel
from mmlrs.examples.scaling.comparing import compare
from mmlrs.examples.scaling.model import Costs


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


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (92.44, "%", "92.4 %"),
        (0.2137, "ms", "0.214 ms"),
        (5.3, "x", "5.30x"),
        (7, "", "7"),
        (7.5, "", "7.50"),
    ],
)
def test_a_figure_has_its_unit(value, unit, text):
    assert Figure("x", value, unit).value_text == text


def test_a_measure_without_its_peer_says_so_and_the_others_run(monkeypatch, capsys):
    def lacks(setting):
        required("no_such_module")
        yield Figure("never", 1.0)

    def has(setting):
        yield Figure("always", 1.0)

    monkeypatch.setattr(command, "MEASURES", {"lacks": lacks, "has": has})
    monkeypatch.setattr(sys, "argv", ["bench", "--quick"])
    with pytest.raises(SystemExit, match="not measured: lacks"):
        command.main()
    out = capsys.readouterr().out
    assert "lacks: not measured, because no_such_module is not installed: pip install --no-deps -r" in out
    assert "always" in out


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


def test_without_the_peers_of_the_benchmarks_one_sentence_says_what_to_install(monkeypatch):
    for module in ("daft", "simplejpeg"):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(NotInstalledError, match=f"{module} is not installed: pip install"):
            required(module)


def test_tensors_can_be_compared_as_pixels():
    file = [pictures.jpeg(pictures.photographs()["cat"], 224, 224)]
    with Image.open(io.BytesIO(file[0])) as picture:
        expected = np.asarray(picture, dtype=np.float32)
    np.testing.assert_allclose(
        255 * peers.denormalized(peers.tensor_with_pillow(file))[0], expected, atol=1e-3
    )


# ---- The published image classification ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def classifiers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    return [free(folder), lite0(folder)]


@pytest.fixture(scope="module")
def files():
    return list(pictures.jpegs(*decode.IMAGENET))


def test_the_published_job_computes_the_tensors_that_mmlrs_computes(classifiers, files):
    from mmlrs.image import decode_to_tensor

    for network in classifiers:
        theirs = np.array(published.floats(files[0], network), np.float32).reshape(
            1, 3, peers.SIDE, peers.SIDE
        )
        size = {"height": peers.SIDE, "width": peers.SIDE}
        ours = decode_to_tensor(files[:1], **size, means=network.means, stds=network.stds, scale=1 / 255)
        # Pillow weights the pixels by a triangle; these are means.
        assert decode.psnr(ours * 64 + 128, theirs * 64 + 128) > 35


def test_the_published_job_names_the_class_that_mmlrs_names(classifiers, files):
    table = pa.table({"content": pa.array(files, pa.binary())})
    for network in classifiers:
        answers = published.classifier(network).transform(table)["classes"].to_pylist()
        ours = [answer[0]["description"] for answer in answers]
        theirs = published.names([published.floats(file, network) for file in files], network)
        assert np.mean([a == b for a, b in zip(ours, theirs, strict=True)]) >= published.ALIKE
        assert len(set(theirs)) > 1


def test_the_network_that_costs_nothing_names_the_colour(classifiers):
    network = classifiers[0]
    for channel, name in enumerate(("red", "green", "blue")):
        pixels = np.zeros((300, 400, 3), np.uint8)
        pixels[..., channel] = 250
        assert published.names([published.floats(pictures.jpeg(pixels), network)], network) == [name]


@pytest.mark.spark
def test_both_sides_of_the_published_job_give_the_same_answers_on_spark(spark, classifiers, files):
    network = classifiers[0]
    source = spark.createDataFrame([(bytearray(file),) for file in files], "content binary").coalesce(1)
    theirs = published.as_published(source, network)
    assert published.agreement(published.with_mmlrs(source, network), theirs) >= published.ALIKE
    assert [row.length for row in published.lengths(source).collect()] == [len(file) for file in files]


# ---- Other measures -------------------------------------------------------------------------------------------------


def test_the_pictures_of_a_table_are_read_in_rgb(files):
    table = daft_job.with_mmlrs(pa.table({"image": pa.array(files[:2], pa.binary())}))
    with Image.open(io.BytesIO(files[0])) as picture:
        expected = np.asarray(picture.resize((224, 224), Image.Resampling.BOX), np.float32)
    shown = daft_job.pixels_of_mmlrs(table)
    assert shown.shape == (2, 224, 224, 3)
    assert decode.psnr(shown[0].astype(np.float32), expected) > daft_job.LEAST_PSNR


def test_accuracy_is_high_for_features_that_separate_the_classes_and_low_for_noise():
    random = np.random.default_rng(0)
    labels = np.repeat(["a", "b", "c"], 20)
    noise = random.normal(size=(60, 8)).astype(np.float32)
    means = np.repeat(np.eye(3, 8, dtype=np.float32), 20, axis=0)
    assert tuxpaint.accuracies(noise + 20 * means, labels).tolist() == [100.0] * tuxpaint.FOLDS
    assert tuxpaint.accuracies(noise, labels).mean() < 70


def test_transparent_pixels_are_white():
    file = io.BytesIO()
    Image.new("RGBA", (80, 60), (0, 0, 0, 0)).save(file, "PNG")
    pixels = tuxpaint.pixels(pa.table({"image": pa.array([file.getvalue()] * 2, pa.binary())}))
    np.testing.assert_array_equal(pixels, np.full((2, 3 * tuxpaint.SIDE**2), 255.0))


def test_without_the_photographs_of_tux_paint_one_sentence_says_where_they_are_sought(monkeypatch, tmp_path):
    monkeypatch.delenv("MMLRS_TUXPAINT_STAMPS", raising=False)
    monkeypatch.setattr(stamps, "INSTALLED", tmp_path)
    with pytest.raises(NotInstalledError, match="tuxpaint-stamps-default, or set MMLRS_TUXPAINT_STAMPS"):
        tuxpaint.photographs()


def test_ten_networks_are_found_without_a_connection(tmp_path):
    known = names.prepare(tmp_path)
    assert len(known) == 10
    with names.offline(tmp_path):
        with pytest.raises(AssertionError, match=r"a connection to \('127.0.0.1', 9\)"):
            socket.create_connection(("127.0.0.1", 9))
        found = [names.find(name) for name in known]
    assert all(place.keys() <= {"path", "sha256"} and place for place in found)


def test_the_page_of_scaling_gets_the_tables_of_a_model_and_keeps_its_text():
    costs = Costs(0.1, 0.0, 0.02, 0.001, 0.009, 0.1, 3.0, 1e-4, {1: 1.0, 2: 1.2})
    model = ScalingModel(costs, (costs,) * 3, 1, 4, 18_000_000, 3e5, {"executors": 1, "sizes": [100, 200]})
    runs = [Run("warm", n, 1, 1, 0, size, 1, 0.012 * size / n) for n, size in ((1, 100), (1, 800), (2, 800))]
    found = scaling.Outcome("standalone", model, compare(model, runs, per_machine=2))
    figures = list(scaling.figures(found))
    assert [figure.what.split(", ", 1)[1] for figure in figures] == [
        "one worker, 800 pictures",
        "2 workers, 800 pictures",
    ]
    assert all(0 <= figure.value < 25 and figure.target == 15.0 for figure in figures)
    page = scaling.PAGE.read_text()
    filled = scaling.written(page, [found])
    assert scaling.written(filled, [found]) == filled
    assert "| standalone | 2 | 800 | 166.7 |" in filled
    assert "| 1,000 | " in filled
    outside = re.compile(r"(<!-- (\w+): written by [^\n]*-->\n).*?(<!-- end of \2 -->)", re.DOTALL)
    assert outside.sub(r"\1\3", filled) == outside.sub(r"\1\3", page)


def test_the_pictures_of_a_set_are_as_many_as_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(scaling, "DISTINCT", 8)
    scaling.write_pictures(tmp_path, 20)
    files = list((tmp_path / "set").iterdir())
    assert len(files) == 20
    assert len({file.stat().st_ino for file in files}) == 8
