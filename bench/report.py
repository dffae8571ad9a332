"""The table on the console and docs/benchmarks.md."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from bench.measure import Figure, Measure

RESULTS = Path(__file__).resolve().parent / "results"
PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
PACKAGES = ("mmlrs", "pyspark", "pyarrow", "numpy", "onnxruntime", "onnx", "opencv-python-headless", "pillow")
MET = {True: "met", False: "MISSED", None: ""}

HEADER = """# Benchmarks

Written by `make bench`; do not edit. Every ratio is measured in one run: the two ways take turns on the same data, each pair
of runs gives a ratio, and the figure is the median over the pairs. Above 1.00x mmlrs is the faster one. The peers are in
[`bench/`](../bench), written as someone would who knows the libraries.

Each measure has a section, with the date, the machine and the versions of its last run, which are stored in
[`bench/results/`](../bench/results). `make bench ARGS="decode text"` runs two measures and leaves the others as they are.

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


@dataclass(frozen=True)
class Result:
    """What a measure came to, and where and when."""

    title: str
    date: str
    machine: list[str]
    figures: list[Figure]

    @classmethod
    def of(cls, measure: Measure, figures: Sequence[Figure]) -> Result:
        """The result of a measure that ran now."""
        title = (measure.__doc__ or "").splitlines()[0]
        return cls(title, str(dt.datetime.now(dt.UTC).date()), machine(), list(figures))

    @classmethod
    def load(cls, path: Path) -> Result:
        """A stored result."""
        stored = json.loads(path.read_text())
        return cls(**{**stored, "figures": [Figure(**figure) for figure in stored["figures"]]})

    def save(self, path: Path) -> None:
        """Store the result."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")


def section(name: str, result: Result) -> str:
    """The part of the page that a measure has."""
    rows = [
        f"| {f.what} | {f.value_text} | {f.target_text} | {MET[f.met]} | {f.detail} |" for f in result.figures
    ]
    table = ["| measure | figure | target | | how |", "|---|---|---|---|---|", *rows]
    return "\n".join(
        [
            f"## {name}",
            "",
            result.title,
            "",
            *table,
            "",
            f"Measured on {result.date}: {'; '.join(result.machine)}.",
            "",
        ]
    )


def page(results: Mapping[str, Result]) -> str:
    """The whole page."""
    return "\n".join([HEADER, *(section(name, result) for name, result in results.items())])


def write(order: Iterable[str]) -> None:
    """Rewrite the page from the stored results of the measures, in that order."""
    stored = {name: path for name in order if (path := RESULTS / f"{name}.json").exists()}
    PAGE.write_text(page({name: Result.load(path) for name, path in stored.items()}))
