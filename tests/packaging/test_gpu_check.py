"""The GPU check, as far as a machine without a GPU can run it."""

import json
import os
import subprocess
import sys

import numpy as np
import onnxruntime
import pyarrow as pa
import pytest
from places import ROOT

from bench import peers, pictures
from scripts.gpu_check import check, pack

SCRIPT = ROOT / "scripts" / "gpu_check" / "run.sh"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The networks and the pictures of the folder for other machines, without its wheels."""
    folder = tmp_path_factory.mktemp("gpu-check")
    (folder / "resnet50.onnx").write_bytes(pack.resnet50())
    (folder / "pictures").mkdir()
    for i, file in enumerate(pictures.jpegs(500, 375)[:2]):
        (folder / "pictures" / f"{i}.jpg").write_bytes(file)
    return folder


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """Put a program of this name into the path."""

    def install(text):
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    return install


def test_without_a_gpu_it_says_so_in_one_line_and_ends_well(nvidia_smi):
    nvidia_smi("echo 'no devices were found' >&2; exit 6")
    done = subprocess.run([SCRIPT], capture_output=True, text=True, check=True)
    assert done.stdout == "gpu-check: this machine has no NVIDIA GPU, so nothing was checked\n"
    assert done.stderr == ""


def test_the_weights_of_resnet_50_are_made_when_it_is_loaded():
    content = pack.resnet50()
    assert len(content) < 1e6
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    tensors = peers.tensor_with_pillow(pictures.jpegs(500, 375)[:3])
    scores = session.run(None, {session.get_inputs()[0].name: tensors})[0]
    assert scores.shape == (3, 1000)
    # Different pictures have different scores, and so have the classes: far more than the tolerance.
    largest = np.abs(scores).max()
    assert np.abs(scores[0] - scores[1]).max() > 10 * check.TOLERANCE * largest
    assert scores.std(axis=1).min() > 10 * check.TOLERANCE * largest


def test_the_comparisons_run_on_the_cpu(folder, monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(check.SIZES, "cpu", check.Size(compared=2, timed=2, ready=2))
    monkeypatch.setattr(
        sys, "argv", ["check", "--device", "cpu", "--folder", str(folder), "--output", str(tmp_path / "out")]
    )
    check.main()
    results = json.loads((tmp_path / "out").read_text())
    assert results["failed"] == []
    assert results["differences"].keys() == {"EfficientNet-Lite0", "ResNet-50"}
    assert all(speed["job"] > 0 and speed["bare"] > 0 for speed in results["speeds"])
    assert "gpu-check: all results are equal" in capsys.readouterr().out


def test_other_scores_are_a_failure(folder, monkeypatch):
    monkeypatch.setitem(check.SIZES, "cpu", check.Size(compared=2, timed=2, ready=2))
    right = check.scores
    monkeypatch.setattr(check, "scores", lambda *args: right(*args) * (1 if args[1] == "auto" else 1.01))
    network = check.networks(folder)[0]
    table = check.table_of(folder, 2)
    assert check.compare(network, "cpu", table)["plain onnxruntime"] > check.TOLERANCE


def test_a_session_that_runs_on_the_cpu_instead_of_the_gpu_is_an_error(folder, monkeypatch):
    session = check.bare_session(check.networks(folder)[0], "cpu")
    monkeypatch.setattr(check.onnxruntime, "InferenceSession", lambda *_, **__: session)
    with pytest.raises(
        RuntimeError, match=r"does not use the GPU; its providers: \['CPUExecutionProvider'\]"
    ):
        check.bare_session(check.networks(folder)[0], "cuda")


def test_how_busy_the_gpu_is_is_sampled_until_the_work_ends(nvidia_smi):
    nvidia_smi("echo 37")
    with check.busy("cuda") as samples:
        check.rate(lambda: None, 1, 0.5)
    assert samples
    assert set(samples) == {37.0}
    with check.busy("cpu") as samples:
        pass
    assert samples == []


def test_the_files_repeat_in_the_table(folder):
    table = check.table_of(folder, 5)
    assert table.schema == pa.schema({"image": pa.binary()})
    assert table["image"][0] == table["image"][4] != table["image"][1]
