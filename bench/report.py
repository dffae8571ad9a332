"""The table on the console and docs/benchmarks.md."""

from __future__ import annotations

import datetime as dt
import os
import platform
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from bench.measure import Figure

PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
PACKAGES = ("mmlrs", "pyspark", "pyarrow", "numpy", "onnxruntime", "onnx", "opencv-python-headless", "pillow")
MACHINE = "Machine and versions"
MET = {True: "met", False: "MISSED", None: ""}

HEADER = """# Benchmarks

Written by `make bench`; do not edit. Every ratio is measured in one run: the two ways take turns on the same data, each pair
of runs gives a ratio, and the figure is the median over the pairs. Above 1.00x mmlrs is the faster one. The peers are in
[`bench/`](../bench), written as someone would who knows the libraries.

Each section is rewritten when its measure runs: `make bench ARGS="decode text"` leaves the others as they are.

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


def section(title: str, figures: Sequence[Figure]) -> str:
    """The text below the heading of a measure."""
    rows = [f"| {f.what} | {f.value_text} | {f.target_text} | {MET[f.met]} | {f.detail} |" for f in figures]
    table = ["| measure | figure | target | | how |", "|---|---|---|---|---|", *rows]
    measured = f"Measured on {dt.datetime.now(dt.UTC).date()} with mmlrs {version('mmlrs')}."
    return "\n".join([f"{title} {measured}", "", *table])


def sections(page: str) -> dict[str, str]:
    """The sections of a page, by their measures."""
    parts = re.split(r"^## (.+)\n\n", page, flags=re.MULTILINE)[1:]
    return {name: text.strip() for name, text in zip(parts[::2], parts[1::2], strict=True) if name != MACHINE}


def page(texts: Mapping[str, str]) -> str:
    """The whole page."""
    parts = [f"## {name}\n\n{text}\n" for name, text in texts.items()]
    return "\n".join([HEADER, *parts, f"## {MACHINE}", "", *(f"* {text}" for text in machine()), ""])


def write(name: str, text: str, order: Sequence[str]) -> None:
    """Rewrite the section of one measure; the page has those of others, in that order."""
    texts = {**sections(PAGE.read_text()), name: text}
    PAGE.write_text(page({name: texts[name] for name in order if name in texts}))
