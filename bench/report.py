"""Console output and docs/benchmarks.md."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.measure import Figure, Measure

RESULTS = Path(__file__).resolve().parent / "results"
PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
PACKAGES = (
    "mmlrs", "pyspark", "pyarrow", "numpy", "onnxruntime", "onnx", "opencv-python-headless", "pillow", "scikit-learn", "daft",
    "simplejpeg",
)  # fmt: skip
MET = {True: "met", False: "MISSED", None: ""}

HEADER = """# Benchmarks

Written by `make bench`; do not edit. Every ratio is measured in one run. mmlrs and its peer take turns on the same data, each
pair of runs gives a ratio, and the figure is the median over the pairs. mmlrs is faster if the ratio is above 1.00x. The peers
are in [`bench/`](../bench), written as an expert in these libraries would write them.

Each measure has a section with the date, the machine and the versions of its last run. The results are stored in
[`bench/results/`](../bench/results). `make bench ARGS="decode text"` runs two measures and leaves the others unchanged.

* The JPEG files are the colour photographs of scikit-image and scikit-learn, resized, with quality 90 and 4:2:0.
* ResNet-50 and SqueezeNet are the architecture files of the `onnx` package, which have a fixed batch of 1. The peers get them with
  a free batch dimension; mmlrs gets the original file. EfficientNet-Lite0 is the trained network of the extra `models`.
* On Spark, mmlrs and its peer run in one session with the settings that the [guide](guide/07-spark-settings.md) recommends.
* The limit is the time for decoding alone plus the time for the network alone on prepared tensors. Both run without Spark, in
  one single-threaded process per core.
"""


def machine() -> list[str]:
    """Return the machine and the versions, one line each."""
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
        ", ".join([f"Python {platform.python_version()}", *versions()]),
    ]


def versions() -> Iterator[str]:
    """Yield name and version of those packages that are installed."""
    for name in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            yield f"{name} {version(name)}"


def line(figure: Figure) -> str:
    """Return one figure as text for the console."""
    how = f"\n{'':30}{figure.detail}" if figure.detail else ""
    return f"{figure.value_text:>9}  {figure.target_text:>9}  {MET[figure.met]:<7} {figure.what}{how}"


@dataclass(frozen=True)
class Result:
    """The figures of a measure, with the date and the machine."""

    title: str
    date: str
    machine: list[str]
    figures: list[Figure]

    @classmethod
    def of(cls, measure: Measure, figures: Sequence[Figure]) -> Result:
        """Return the result of a measure that has just run."""
        title = (measure.__doc__ or "").splitlines()[0]
        return cls(title, str(dt.datetime.now(dt.UTC).date()), machine(), list(figures))

    @classmethod
    def load(cls, path: Path) -> Result:
        """Load a stored result."""
        stored = json.loads(path.read_text())
        return cls(**{**stored, "figures": [Figure(**figure) for figure in stored["figures"]]})

    def save(self, path: Path) -> None:
        """Store the result."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")


def section(name: str, result: Result) -> str:
    """Return the section of a measure."""
    rows = [
        f"| {f.what} | {f.value_text} | {f.target_text} | {MET[f.met]} | {f.detail} |" for f in result.figures
    ]
    table = ["| measure | figure | target | | details |", "|---|---|---|---|---|", *rows]
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
    """Return the complete page."""
    return "\n".join([HEADER, *(section(name, result) for name, result in results.items())])


def write(order: Iterable[str]) -> None:
    """Rewrite the page from the stored results, in the given order of measures."""
    stored = {name: path for name in order if (path := RESULTS / f"{name}.json").exists()}
    PAGE.write_text(page({name: Result.load(path) for name, path in stored.items()}))
