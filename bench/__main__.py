"""Runs benchmarks: ``python -m bench [--quick] [name ...]``. Each measure rewrites its section of docs/benchmarks.md."""

from __future__ import annotations

import argparse
import os
import sys

from bench import report
from bench.ann.accuracy import accuracy, local_steps
from bench.ann.epochs import epochs
from bench.ann.fine_tuner import fine_tuner
from bench.ann.one_bit import one_bit
from bench.ann.perceptron import perceptron
from bench.ann.symmetric import symmetric
from bench.ann.workers import workers
from bench.compiled import compiled
from bench.daft_job import daft
from bench.decode import decode, pixels, quality
from bench.engine import engine
from bench.features import features
from bench.measure import Figure, Measure, NotInstalledError, Setting
from bench.memory import memory
from bench.metadata import metadata
from bench.model import model
from bench.names import names
from bench.plan import plan
from bench.published import published
from bench.quantized import quantized
from bench.resume import resume
from bench.scaling import scaling
from bench.search import search
from bench.serving import serve
from bench.spark_job import spark_job
from bench.spark_versions import versions
from bench.startup import startup
from bench.stream import stream
from bench.study import seeds, study
from bench.text import text
from bench.train import train
from bench.trees import trees
from bench.tune import tune
from bench.tuxpaint import tuxpaint
from bench.wheel import wheel

MEASURES: dict[str, Measure] = {
    "decode": decode,
    "quality": quality,
    "pixels": pixels,
    "daft": daft,
    "metadata": metadata,
    "study": study,
    "study-seeds": seeds,
    "resume": resume,
    "tuxpaint": tuxpaint,
    "model": model,
    "spark": spark_job,
    "published": published,
    "quantized": quantized,
    "versions": versions,
    "names": names,
    "plan": plan,
    "engine": engine,
    "startup": startup,
    "text": text,
    "features": features,
    "train": train,
    "tune": tune,
    "search": search,
    "trees": trees,
    "compiled": compiled,
    "serve": serve,
    "stream": stream,
    "memory": memory,
    "scaling": scaling,
    "ann-perceptron": perceptron,
    "ann-epochs": epochs,
    "ann-workers": workers,
    "ann-local-steps": local_steps,
    "ann-accuracy": accuracy,
    "ann-finetuner": fine_tuner,
    "ann-one-bit": one_bit,
    "ann-symsgd": symmetric,
    "wheel": wheel,
}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="name", help=f"any of {', '.join(MEASURES)}; default: all"
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer pairs and rows; does not change docs/benchmarks.md"
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(MEASURES):
        parser.error(f"no measure named {', '.join(sorted(unknown))}; the measures are {', '.join(MEASURES)}")
    return arguments


def run(name: str, setting: Setting) -> list[Figure]:
    """Run a measure, print its figures, and store them unless the run is quick."""
    measure = MEASURES[name]
    figures: list[Figure] = []
    for figure in measure(setting):
        figures.append(figure)
        print(report.line(figure), flush=True)
    if not setting.quick:
        report.Result.of(measure, figures).save(report.RESULTS / f"{name}.json")
        report.write(MEASURES)
    return figures


def main() -> None:
    arguments = parse()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    setting = Setting(quick=arguments.quick)
    every: list[Figure] = []
    not_run: list[str] = []
    print("   figure     target", flush=True)
    for name in arguments.names or MEASURES:
        try:
            every += run(name, setting)
        except NotInstalledError as error:
            not_run.append(name)
            print(f"{name}: not measured, because {error}", flush=True)
    missed = sum(figure.met is False for figure in every)
    print(f"{len(every)} figures, {missed} below target")
    kept = "is unchanged, because this was a quick run" if setting.quick else "is up to date"
    print(f"{report.PAGE.relative_to(report.PAGE.parents[1])} {kept}")
    if not_run:
        sys.exit(f"not measured: {', '.join(not_run)}")


if __name__ == "__main__":
    main()
