"""The model of the scaling example: fitted on one worker, compared with two workers and with a set four times as large."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import report
from bench.cluster import HOST, standalone
from bench.measure import Figure, Setting
from bench.session import CORES

if TYPE_CHECKING:
    from mmlrs.examples.scaling.comparing import Comparison
    from mmlrs.examples.scaling.model import Prediction, ScalingModel
    from mmlrs.examples.scaling.runs import Run

PAGE = report.PAGE.parent / "scaling.md"
BEGIN, END = "<!-- {}: written by `make bench ARGS=scaling` -->", "<!-- end of {} -->"
SIZES = (120, 240, 480)
#: How many times as many pictures as the largest set of the fit.
LARGER = 4
DISTINCT = 200
TARGET = 15.0
MODEL = "efficientnet-lite0"
#: The pictures of the paper's figure.
PAPER = 82_382
COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
MILLION = 1_000_000


@dataclass(frozen=True)
class Outcome:
    """A fitted model of a kind of cluster, and its comparisons."""

    kind: str
    model: ScalingModel
    compared: list[Comparison]


def write_pictures(folder: Path, count: int) -> None:
    """Write generated camera-trap pictures of 1280x960, most of them under several names."""
    from mmlrs.examples.camera_traps.generate import generate

    own = folder / "own"
    generate(own, frames=min(DISTINCT, count), cameras=4)
    (folder / "set").mkdir()
    files = sorted(own.rglob("*.jpg"))
    for number in range(count):
        os.link(files[number % len(files)], folder / "set" / f"{number:06}.jpg")


def outcome(kind: str, master: str, images: Path, setting: Setting) -> Outcome:
    """Fit the model on one worker, then measure what it has not seen."""
    from mmlrs.examples.scaling import Request, fit, measure
    from mmlrs.examples.scaling.comparing import compare
    from mmlrs.models import ModelHandle

    sizes = sizes_of(setting)
    common = {"spark.driver.host": HOST, "spark.executor.memory": "1g", "spark.driver.memory": "1g"}
    repeats = setting.pairs(3)
    seen = measure(
        Request(master, str(images), executors=[1], sizes=sizes, repeats=repeats, together=CORES, conf=common)
    )
    model = fit(
        seen.runs,
        listing=seen.listing,
        model_bytes=len(ModelHandle.of(MODEL).read()),
        origin={"master": kind, "model": MODEL},
    )
    unseen = measure(
        Request(
            master,
            str(images),
            executors=[1, CORES],
            sizes=[sizes[-1], LARGER * sizes[-1]],
            repeats=repeats,
            conf=common,
        )
    )
    return Outcome(
        kind, model, compare(model, [*seen.runs, *_without(unseen.runs, sizes)], per_machine=CORES)
    )


def _without(runs: Sequence[Run], sizes: Sequence[int]) -> list[Run]:
    """Return the runs that are not repeats of those of the fit."""
    return [run for run in runs if run.executors > 1 or run.pictures not in sizes]


def sizes_of(setting: Setting) -> list[int]:
    """Return the numbers of pictures of the fit."""
    return [size // (5 if setting.quick else 1) for size in SIZES]


def figures(found: Outcome) -> Iterator[Figure]:
    """Yield the error of each prediction that was not fitted."""
    for comparison in found.compared:
        if comparison.fitted:
            continue
        predicted = comparison.predicted
        workers = "one worker" if predicted.executors == 1 else f"{predicted.executors} workers"
        low, high = predicted.rates
        yield Figure(
            f"error of the prediction: {found.kind}, {workers}, {predicted.pictures:,} pictures",
            100 * abs(comparison.error),
            "%",
            TARGET,
            at_least=False,
            detail=f"{predicted.rate:.1f} pictures per second predicted ({low:.1f} to {high:.1f}), "
            f"{predicted.pictures / comparison.measured:.1f} measured; fitted on one worker and at most {max(sizes_in(found)):,} pictures",
        )


def sizes_in(found: Outcome) -> list[int]:
    """Return the sizes that a model was fitted on."""
    return [int(size) for size in found.model.origin["sizes"]]


def compared_table(found: Sequence[Outcome]) -> str:
    """Return the table of predictions beside measurements."""
    lines = [
        "| cluster | executors | pictures | pictures per second, measured | predicted | interval | error | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in found:
        for c in one.compared:
            p = c.predicted
            low, high = p.rates
            lines.append(
                f"| {one.kind} | {p.executors} | {p.pictures:,} | {p.pictures / c.measured:.1f} | {p.rate:.1f} | "
                f"{low:.1f} to {high:.1f} | {100 * c.error:+.1f}% | {'fitted' if c.fitted else 'not seen'} |"
            )
    return "\n".join(lines)


def terms_table(found: Sequence[Outcome]) -> str:
    """Return the table of the fitted terms."""
    from mmlrs.examples.scaling.model import terms

    what = {
        "fixed": "fixed cost of a job, ms",
        "planning": "planning, per picture, in the driver, ms",
        "task": "cost of a task, ms",
        "reading": "reading, per picture, ms",
        "compute": "decoding, network and transport, per picture, ms",
        "spread": "spread of the times of tasks, % of a task",
        "start": "start of the workers, first job only, ms",
        "listing": "listing, per picture, in the driver, first job only, ms",
    }
    lines = [f"| term | {' | '.join(one.kind for one in found)} |", "|---" * (1 + len(found)) + "|"]
    values = [{name: (value, low, high) for name, value, low, high in terms(one.model)} for one in found]
    for name, text in what.items():
        scale = 100 if name == "spread" else 1000
        cells = [
            f"{_short(scale * of[name][0])} ({_short(scale * of[name][1])} to {_short(scale * of[name][2])})"
            for of in values
        ]
        lines.append(f"| {text} | {' | '.join(cells)} |")
    factors = [f"{one.model.costs.contention.get(CORES, 1.0):.2f}" for one in found]
    lines.append(f"| a task with {CORES} workers at once, against alone, factor | {' | '.join(factors)} |")
    return "\n".join(lines)


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def predicted_table(model: ScalingModel) -> str:
    """Return the table of predictions up to 1,000 executors."""
    heads = (
        f"| executors | {PAPER:,} pictures, the first job | later jobs | pictures per second | of proportional | "
        f"{MILLION:,} pictures, later jobs | pictures per second | of proportional | from the storage |"
    )
    lines = [heads, "|---" * 9 + "|"]
    alone = {pictures: model.predict(1, pictures, per_machine=CORES).rate for pictures in (PAPER, MILLION)}
    for count in COUNTS:
        cells = [_span(model.predict(count, PAPER, first=True, per_machine=CORES))]
        for pictures in (PAPER, MILLION):
            p = model.predict(count, pictures, per_machine=CORES)
            cells += [_span(p), f"{p.rate:,.0f}", f"{p.rate / alone[pictures] / count:.0%}"]
        storage = p.rate * model.picture_bytes / 1e6
        lines.append(f"| {count:,} | {' | '.join(cells)} | {storage:,.0f} MB/s |")
    return "\n".join(lines)


def _span(p: Prediction) -> str:
    return f"{_time(p.seconds)} ({_time(p.low)} to {_time(p.high)})"


def _time(seconds: float) -> str:
    if seconds >= 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.1f} s"


def written(text: str, found: Sequence[Outcome]) -> str:
    """Return the page with the tables of these outcomes. The last one is run out to 1,000 executors."""
    machine = "\n".join(f"* {line}" for line in report.machine())
    for name, table in (
        ("compared", f"{compared_table(found)}\n\n{machine}"),
        ("terms", terms_table(found)),
        ("predicted", predicted_table(found[-1].model)),
    ):
        begin, end = BEGIN.format(name), END.format(name)
        before, rest = text.split(begin)
        text = f"{before}{begin}\n\n{table}\n\n{end}{rest.split(end)[1]}"
    return text


def write_page(found: Sequence[Outcome]) -> None:
    """Rewrite the tables and the figures of docs/scaling.md."""
    from mmlrs.examples.scaling import figure

    last = found[-1]
    for name, most in (("scaling-measured", None), ("scaling-predicted", COUNTS[-1])):
        drawn = figure.draw(last.model, last.compared, most=most, per_machine=CORES)
        for path in figure.save(drawn, PAGE.parent / name):
            if path.suffix == ".png":
                path.unlink()
    PAGE.write_text(written(PAGE.read_text(), found))


def scaling(setting: Setting) -> Iterator[Figure]:
    """ImageFeaturizer on one worker predicts two workers and four times as many pictures; a full run writes docs/scaling.md."""
    found = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mmlrs-bench-")))
        write_pictures(folder, LARGER * sizes_of(setting)[-1])
        url = stack.enter_context(standalone(CORES))
        for kind, master in (("local", f"local[{CORES}]"), ("standalone", url)):
            found.append(outcome(kind, master, folder / "set", setting))
            yield from figures(found[-1])
    if not setting.quick:
        write_page(found)
