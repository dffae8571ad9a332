"""Measures how `ImageFeaturizer` scales on a cluster: ``python -m mmlrs.examples.scaling``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mmlrs._messages import counted
from mmlrs.errors import IoError, MissingPackageError, MmlrsError
from mmlrs.examples.scaling.comparing import HEADING, Comparison, compare
from mmlrs.examples.scaling.fit import fit
from mmlrs.examples.scaling.measuring import Measured, measure
from mmlrs.examples.scaling.model import ScalingModel
from mmlrs.examples.scaling.request import Request
from mmlrs.examples.scaling.runs import write_runs, write_tasks


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and run."""
    asked = _parser().parse_args(arguments)
    try:
        conf = dict(_setting(text) for text in asked.conf)
        request = Request(
            asked.master,
            asked.images,
            asked.executors,
            asked.sizes,
            asked.model,
            asked.repeats,
            asked.cores,
            asked.tasks_per_slot,
            asked.together,
            asked.wait,
            conf,
        )
        run(request, _folder(asked.out), per_machine=asked.together)
    except MmlrsError as error:
        sys.exit(str(error))


def run(request: Request, out: Path, *, per_machine: int = 1) -> tuple[ScalingModel, list[Comparison]]:
    """Measure, fit, compare and draw. The measurements are written after each application, so that an error loses none."""
    from mmlrs.models import ModelHandle

    size = len(ModelHandle.of(request.model).read())

    def written(measured: Measured) -> None:
        write_runs(out / "measurements.csv", measured.runs)
        write_tasks(out / "tasks.csv", measured.runs)
        last = measured.runs[-1]
        print(
            f"measured {counted(last.executors, 'executor')}, {last.together} at once",
            file=sys.stderr,
            flush=True,
        )

    measured = measure(request, written)
    model = fit(
        measured.runs,
        tasks_per_slot=request.tasks_per_slot,
        listing=measured.listing,
        model_bytes=size,
        origin={"master": request.master, "model": request.model},
    )
    model.save(out / "model.json")
    compared = compare(model, measured.runs, per_machine=per_machine)
    print(HEADING)
    for comparison in compared:
        print(comparison.line())
    _drawn(model, compared, out, per_machine)
    return model, compared


def _drawn(model: ScalingModel, compared: Sequence[Comparison], out: Path, per_machine: int) -> None:
    from mmlrs.examples.scaling import figure

    try:
        paths = figure.save(figure.draw(model, compared, per_machine=per_machine), out / "scaling")
    except MissingPackageError as error:
        print(f"no figure, because {error}", file=sys.stderr)
        return
    print(f"{out}: measurements.csv, tasks.csv, model.json, {', '.join(path.name for path in paths)}")


def _folder(name: str) -> Path:
    out = Path(name).expanduser()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise IoError(f"scaling: param `out`: {out} cannot be created ({error})") from None
    return out


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mmlrs.examples.scaling",
        description="Measure pictures per second of ImageFeaturizer against executors and data size, and fit a model of it.",
    )
    add = parser.add_argument
    add("--master", required=True, help="local[N], spark://HOST:PORT, yarn or k8s://URL")
    add("--images", required=True, help="folder of pictures that driver and executors can read")
    add("--out", required=True, help="folder for measurements.csv, tasks.csv, model.json and the figure")
    add(
        "--executors",
        type=_numbers,
        required=True,
        help="like 1,2,4,8; the model is fitted on the first of them",
    )
    add("--sizes", type=_numbers, default=(), help="like 500,1000; default: a quarter, half and all pictures")
    add("--model", default=Request.model, help="network of ImageFeaturizer; default: %(default)s")
    add("--repeats", type=int, default=Request.repeats, help="runs of each size; default: %(default)s")
    add("--cores", type=int, default=Request.cores, help="cores of an executor; default: %(default)s")
    add(
        "--tasks-per-slot",
        type=int,
        default=Request.tasks_per_slot,
        help="tasks for each core; default: %(default)s",
    )
    add(
        "--together",
        type=int,
        default=Request.together,
        help="executors that share a machine: so many applications are also measured at once; default: %(default)s",
    )
    add(
        "--wait",
        type=float,
        default=Request.wait,
        help="seconds to wait for the executors; default: %(default)g",
    )
    add("--conf", action="append", default=[], help="a setting of Spark, like spark.executor.memory=2g")
    return parser


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be whole numbers like 1,2,4, got {text!r}") from None


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise IoError(f"scaling: param `conf` must be like spark.executor.memory=2g, got {text!r}")
    return name, value


if __name__ == "__main__":
    main()
