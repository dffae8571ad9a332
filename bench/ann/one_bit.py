"""Gradients of one bit for each number: what they save, and what they cost."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

from bench.ann import direct
from bench.ann.datasets import Split, fashion
from bench.ann.direct import Group, Trained
from bench.ann.slow_link import SlowLinks
from bench.measure import Figure, Setting, side_by_side

WORKERS, SEEDS = 4, 3
NETWORK = "784-256-128-10"
EPOCHS = 10
SETTINGS: dict[str, Any] = {
    "solver": "sgd",
    "step_size": 0.3,
    "momentum": 0.0,
    "nesterov": False,
    "batch_size": 128,
    "schedule": {"kind": "cosine"},
}
#: With momentum a gradient moves the parameters by ten times the step size in the end, so that these steps are as long as those without.
MOMENTUM: dict[str, Any] = {"step_size": 0.03, "momentum": 0.9, "nesterov": True}
#: Rows of the epochs that are timed, and the megabytes per second of a slow link: 100 Mbit/s.
TIMED_ROWS, SLOW = 12_800, 12.5


def bytes_per_step(trained: Trained, rows: int) -> float:
    """Return the bytes that the first worker sends in a step, headers included."""
    steps = -(-rows // SETTINGS["batch_size"]) * len(trained.lines)
    return sum(line["bytes_sent"] for line in trained.lines) / steps


def _trained(split: Split, epochs: int, seeds: int, **changes: Any) -> list[Trained]:
    """Train with each seed."""
    description = direct.perceptron([int(size) for size in NETWORK.split("-")])
    common: dict[str, Any] = {**SETTINGS, "iterations": epochs, **changes}
    return [direct.together(description, split, WORKERS, seed=seed, **common) for seed in range(seeds)]


def _beyond(
    what: str, ours: list[Trained], theirs: list[Trained], detail: str, target: float | None
) -> Figure:
    """Return how much more of the test rows are right, in points."""
    means = [statistics.mean(one.accuracy for one in side) for side in (ours, theirs)]
    losses = [statistics.mean(one.held_out for one in side) for side in (ours, theirs)]
    ends = [a.accuracy - b.accuracy for a, b in zip(ours, theirs, strict=True)]
    return Figure(
        what,
        means[0] - means[1],
        "",
        target=target,
        detail=f"{means[0]:.2f} % against {means[1]:.2f} %, held-out loss {losses[0]:.4f} against {losses[1]:.4f}, means of "
        f"{len(ours)} seeds, whose differences are from {min(ends):+.2f} to {max(ends):+.2f}; {detail}",
    )


def _timed(split: Split, pairs: int, rate: float | None) -> Figure:
    """Compare the times of an epoch, on the loopback interface or on slow links."""
    description = direct.perceptron([int(size) for size in NETWORK.split("-")])
    common: dict[str, Any] = {**SETTINGS, "iterations": 10**6, "schedule": {"kind": "constant"}}
    with ExitStack() as stack:
        links = None if rate is None else stack.enter_context(SlowLinks(1e6 * rate))
        ours, theirs = (
            stack.enter_context(
                closing(
                    Group(
                        description,
                        split,
                        WORKERS,
                        port=None if links is None else links.port,
                        one_bit=one_bit,
                        **common,
                    )
                )
            )
            for one_bit in (True, False)
        )
        timed = side_by_side(lambda: ours.run(1), lambda: theirs.run(1), pairs)
    where = "the loopback interface" if rate is None else f"links of {8 * rate:.0f} Mbit/s"
    detail = f"epochs of {len(split.train):,} rows, {timed.seconds('plain gradients')}; {WORKERS} workers that are threads"
    if rate is not None:
        detail += f"; a relay passes on {rate:g} MB/s in each direction of each of the connections between two workers"
    return Figure(f"epoch with 1-bit gradients on {where}, {NETWORK}", timed.ratio, detail=detail)


def _how(epochs: int, settings: dict[str, Any]) -> str:
    return f"{epochs} epochs in batches of {settings['batch_size']}, rate {settings['step_size']:g} falling along a cosine"


def _accuracies(split: Split, epochs: int, seeds: int) -> Iterator[Figure]:
    """Yield the bytes of a step, and what 1-bit gradients change of the accuracy."""
    plain = _trained(split, epochs, seeds)
    ours = _trained(split, epochs, seeds, one_bit=True)
    theirs_bytes, ours_bytes = (bytes_per_step(side[0], len(split.train)) for side in (plain, ours))
    yield Figure(
        f"bytes that a worker sends per step with plain gradients, {NETWORK}, relative to those with 1-bit gradients",
        theirs_bytes / ours_bytes,
        target=25.0,
        detail=f"{theirs_bytes:,.0f} bytes against {ours_bytes:,.0f} with headers, {WORKERS} workers",
    )
    what = f"test accuracy with 1-bit gradients, {NETWORK}, SGD"
    beyond = "beyond that with plain ones, in points"
    yield _beyond(f"{what}, {beyond}", ours, plain, f"{_how(epochs, SETTINGS)}, no momentum", -0.5)
    jobs = _trained(split, epochs, seeds, one_bit=True, job=1)
    yield _beyond(
        f"{what}, in a job for each epoch, beyond that in a single job, in points",
        jobs,
        ours,
        "each job starts without the rounding errors of the one before",
        None,
    )
    ours, plain = (_trained(split, epochs, seeds, one_bit=one_bit, **MOMENTUM) for one_bit in (True, False))
    how = _how(epochs, SETTINGS | MOMENTUM)
    yield _beyond(f"{what} with momentum {MOMENTUM['momentum']:g}, {beyond}", ours, plain, how, None)


def one_bit(setting: Setting) -> Iterator[Figure]:
    """Gradients of one bit beside plain ones: bytes, accuracy and time of four workers, Fashion-MNIST, SGD."""
    split = fashion(2_000 if setting.quick else None)
    epochs, seeds = (2, 1) if setting.quick else (EPOCHS, SEEDS)
    yield from _accuracies(split, epochs, seeds)
    timed = Split(split.train[:TIMED_ROWS], split.test[:100])
    for rate in (SLOW, None):
        yield _timed(timed, setting.pairs(5), rate)
