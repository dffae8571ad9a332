"""The table on the console and docs/benchmarks.md."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from bench.measure import Figure

PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
PACKAGES = ("mmlrs", "pyspark", "pyarrow", "numpy", "onnxruntime", "onnx", "opencv-python-headless", "pillow")
MET = {True: "met", False: "MISSED", None: ""}

HEADER = """# Benchmarks

Written by `make bench`; do not edit. Every ratio is measured in one run: the two ways take turns on the same data, each pair
of runs gives a ratio, and the figure is the median over the pairs. Above 1.00x mmlrs is the faster one. The peers are in
[`bench/`](../bench), written as someone would who knows the libraries.

* JPEG files are made from the colour photographs of scikit-image and scikit-learn, resized, quality 90, 4:2:0.
* Networks are the `onnx` package's architecture files. They have a fixed batch of 1; the peers get them with a
  free batch dimension, mmlrs gets the file as it is.
* On Spark both ways run in one session, with the settings that the [guide](guide/07-spark-settings.md) advises.
* The limit is the time for decode alone plus the time for the network alone on ready tensors, both in as many processes of
  one thread as Spark has cores, without Spark.
"""


def machine() -> list[str]:
    """The machine and the versions, a line each."""
    cpu = "unknown CPU"
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip()
            for line in info.read_text().splitlines()
            if line.startswith("model name")
        ]
        cpu = names[0] if names else cpu
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return [
        f"{cpu}, {cores} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}",
        f"Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in PACKAGES),
    ]


def line(figure: Figure) -> str:
    """One figure for the console."""
    how = f"\n{'':30}{figure.detail}" if figure.detail else ""
    return f"{figure.value_text:>9}  {figure.target_text:>9}  {MET[figure.met]:<7} {figure.what}{how}"


def page(figures: Sequence[Figure]) -> str:
    """The whole page."""
    rows = [f"| {f.what} | {f.value_text} | {f.target_text} | {MET[f.met]} | {f.detail} |" for f in figures]
    table = ["| measure | figure | target | | how |", "|---|---|---|---|---|", *rows]
    return "\n".join(
        [HEADER, *table, "", "## Machine and versions", "", *(f"* {text}" for text in machine()), ""]
    )


def write(figures: Sequence[Figure]) -> None:
    """Rewrite the page."""
    PAGE.write_text(page(figures))
