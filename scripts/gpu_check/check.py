"""Checks the results and the speed of networks on a CUDA GPU. It needs NumPy, pyarrow, mmlrs and onnxruntime-gpu, and the folder it is in.

``run.sh`` calls it where there is a GPU. With ``--device cpu`` it makes the same comparisons on few pictures on the CPU.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pyarrow as pa
from numpy.typing import NDArray

import mmlrs
from mmlrs import models
from mmlrs.image import ImageFeaturizer, decode_to_tensor

HERE = Path(__file__).resolve().parent
BATCH = 64
#: Largest difference between two devices, as a part of the largest score.
TOLERANCE = 1e-3
#: Time of each run, in seconds, and runs.
SECONDS, RUNS = 5.0, 3


@dataclass(frozen=True)
class Size:
    """How much is computed: pictures whose scores are compared, in one timed job, and tensors in memory."""

    compared: int
    timed: int
    ready: int


SIZES = {"cuda": Size(256, 8192, 1024), "cpu": Size(8, 16, 8)}


@dataclass(frozen=True)
class Network:
    """A network, what stages get as its model, and its normalization for pixels from 0 to 255."""

    name: str
    model: str
    content: bytes
    means: tuple[float, ...]
    stds: tuple[float, ...]
    scale: float


@dataclass(frozen=True)
class Speed:
    """Pictures per second: of the job from JPEG files, of the bare loop over ready tensors; per cent of time that the GPU is busy."""

    network: str
    job: float
    bare: float
    busy_in_job: float | None
    busy_in_bare: float | None

    def __str__(self) -> str:
        def busy(share: float | None) -> str:
            return "" if share is None else f", GPU busy {share:.0f} %"

        return (
            f"{self.network}: {self.job:,.0f} pictures/s from JPEG files{busy(self.busy_in_job)}; "
            f"{self.bare:,.0f} in a bare loop on ready tensors{busy(self.busy_in_bare)}; ratio {self.job / self.bare:.2f}"
        )


def networks(folder: Path) -> list[Network]:
    """Return EfficientNet-Lite0 by its name, and ResNet-50 of this folder."""
    name = "efficientnet-lite0"
    expects = models.info(name).preprocessing
    if expects is None:
        raise RuntimeError(f"the model {name} has no preprocessing")
    path = folder / "resnet50.onnx"
    means, stds = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, the default of stages
    return [
        Network(
            "EfficientNet-Lite0", name, models.get(name).read(), expects.means, expects.stds, expects.scale
        ),
        Network("ResNet-50", str(path), path.read_bytes(), means, stds, 1 / 255),
    ]


def table_of(folder: Path, rows: int) -> pa.Table:
    """Return a table with this number of JPEG files, which repeat those of the folder."""
    files = [path.read_bytes() for path in sorted((folder / "pictures").glob("*.jpg"))]
    return pa.table({"image": pa.array([files[i % len(files)] for i in range(rows)], pa.binary())})


def featurizer(network: Network, device: str) -> ImageFeaturizer:
    """Return the stage that computes the scores of a network."""
    return ImageFeaturizer(
        inputCol="image",
        outputCol="scores",
        model=network.model,
        headless=False,
        outputType="array",
        miniBatchSize=BATCH,
        device=device,
    )


def scores(network: Network, device: str, table: pa.Table) -> NDArray[np.float32]:
    """Return the scores that mmlrs computes. A warning, for instance that the GPU cannot be used, is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        column = featurizer(network, device).transform(table)["scores"].combine_chunks()
    return np.asarray(column.flatten()).reshape(table.num_rows, -1)


def bare_session(network: Network, device: str) -> Any:
    """Return a session of the Python package, with the settings of mmlrs."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    cuda = ("CUDAExecutionProvider", {"cudnn_conv_algo_search": "HEURISTIC"})
    providers = [cuda, "CPUExecutionProvider"] if device == "cuda" else ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(network.content, options, providers=providers)
    if device == "cuda" and session.get_providers()[0] != cuda[0]:
        raise RuntimeError(f"onnxruntime does not use the GPU; its providers: {session.get_providers()}")
    return session


def tensors_of(network: Network, table: pa.Table) -> NDArray[np.float32]:
    """Return the input of a network."""
    return decode_to_tensor(
        table["image"].combine_chunks(),
        height=224,
        width=224,
        means=network.means,
        stds=network.stds,
        scale=network.scale,
    )


def run_bare(session: Any, tensors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Run a network on ready tensors, batch by batch."""
    name = session.get_inputs()[0].name
    parts = [session.run(None, {name: tensors[i : i + BATCH]})[0] for i in range(0, len(tensors), BATCH)]
    return np.concatenate(parts)


def difference(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Return the largest difference, as a part of the largest score."""
    return float(np.abs(a - b).max() / np.abs(b).max())


def compare(network: Network, device: str, table: pa.Table) -> dict[str, float]:
    """Return how far the scores of device "auto" are from those on the CPU and from those of a plain session."""
    auto = scores(network, "auto" if device == "cuda" else device, table)
    return {
        "mmlrs on the CPU": difference(auto, scores(network, "cpu", table)),
        "plain onnxruntime": difference(
            auto, run_bare(bare_session(network, device), tensors_of(network, table))
        ),
    }


@contextmanager
def busy(device: str) -> Iterator[list[float]]:
    """Sample how busy the first GPU is, in per cent, until the block ends; on the CPU there are no samples."""
    samples: list[float] = []
    done = threading.Event()
    query = ["nvidia-smi", "--id=0", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]

    def collect() -> None:
        while not done.wait(0.1):
            answer = subprocess.run(query, check=False, capture_output=True, text=True)
            if answer.returncode == 0:
                samples.append(float(answer.stdout))

    sampler = threading.Thread(target=collect)
    if device == "cuda":
        sampler.start()
    try:
        yield samples
    finally:
        done.set()
        if device == "cuda":
            sampler.join()


def rate(work: Callable[[], object], rows: int, seconds: float) -> float:
    """Return rows per second: work is repeated for this time."""
    start, done = time.perf_counter(), 0
    while True:
        work()
        done += rows
        taken = time.perf_counter() - start
        if taken >= seconds:
            return done / taken


def measure(network: Network, device: str, folder: Path, size: Size) -> Speed:
    """Time the job and the bare loop in turns."""
    table = table_of(folder, size.timed)
    stage = featurizer(network, "auto" if device == "cuda" else device)
    session = bare_session(network, device)
    ready = tensors_of(network, table.slice(0, size.ready))
    work: dict[str, tuple[Callable[[], object], int]] = {
        "job": (lambda: stage.transform(table), size.timed),
        "bare": (lambda: run_bare(session, ready), size.ready),
    }
    rates: dict[str, list[float]] = {"job": [], "bare": []}
    shares: dict[str, list[float]] = {"job": [], "bare": []}
    for run, _ in work.values():
        run()  # warm-up
    for _ in range(RUNS if device == "cuda" else 1):
        for name, (run, rows) in work.items():
            with busy(device) as samples:
                rates[name].append(rate(run, rows, SECONDS if device == "cuda" else 0.0))
            shares[name] += samples
    means = {name: statistics.mean(values) if values else None for name, values in shares.items()}
    medians = {name: statistics.median(values) for name, values in rates.items()}
    return Speed(network.name, medians["job"], medians["bare"], means["job"], means["bare"])


def check(device: str, folder: Path) -> dict[str, Any]:
    """Make all checks, print them, and return them with the list of those that failed."""
    size, failed = SIZES[device], []
    mmlrs.show_versions()
    print(f"{os.cpu_count()} cores")
    if device == "cuda":
        gpu = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=True).stdout
        print(gpu.strip())
        if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
            sys.exit(
                "gpu-check: onnxruntime has no CUDA provider: install onnxruntime-gpu instead of onnxruntime"
            )
    table = table_of(folder, size.compared)
    differences, speeds = {}, []
    for network in networks(folder):
        differences[network.name] = compare(network, device, table)
        for other, value in differences[network.name].items():
            verdict = "equal" if value <= TOLERANCE else "DIFFERENT"
            print(f"{network.name} against {other}: {verdict}, largest difference {value:.1e}", flush=True)
            if not value <= TOLERANCE:
                failed.append(f"{network.name} differs from {other}")
    for network in networks(folder):
        speed = measure(network, device, folder, size)
        print(speed, flush=True)
        if device == "cuda" and not speed.busy_in_job:
            failed.append(f"nvidia-smi saw no work on the GPU while {network.name} ran")
        speeds.append(asdict(speed))
    return {"device": device, "differences": differences, "speeds": speeds, "failed": failed}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument(
        "--folder", type=Path, default=HERE, help="with resnet50.onnx and pictures; default: this one"
    )
    parser.add_argument("--output", type=Path, help="a JSON file for the results")
    arguments = parser.parse_args()
    results = check(arguments.device, arguments.folder)
    if arguments.output is not None:
        arguments.output.write_text(json.dumps(results, indent=1) + "\n")
    if results["failed"]:
        sys.exit(f"gpu-check: {'; '.join(results['failed'])}")
    print("gpu-check: all results are equal")


if __name__ == "__main__":
    main()
