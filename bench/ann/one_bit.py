"""Gradients of one bit for each number: what they save, and what they cost."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
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
    "step_size": 0.05,
    "batch_size": 128,
    "schedule": {"kind": "cosine"},
}
#: Rows of the epochs that are timed, and the megabytes per second of a slow link: 100 Mbit/s.
TIMED_ROWS, SLOW = 12_800, 12.5


@dataclass
class Found:
    """What the seeds gave: with plain gradients, with one bit, and with one bit in a job for each epoch."""

    plain: list[Trained] = field(default_factory=list)
    one_bit: list[Trained] = field(default_factory=list)
    jobs: list[Trained] = field(default_factory=list)


def bytes_per_step(trained: Trained, rows: int) -> float:
    """Return the bytes that the first worker sends in a step, headers included."""
    steps = -(-rows // SETTINGS["batch_size"]) * len(trained.lines)
    return sum(line["bytes_sent"] for line in trained.lines) / steps


def _trained(split: Split, epochs: int, seeds: int) -> Found:
    description = direct.perceptron([int(size) for size in NETWORK.split("-")])
    found = Found()
    for seed in range(seeds):
        common: dict[str, Any] = {**SETTINGS, "iterations": epochs, "seed": seed}
        found.plain.append(direct.together(description, split, WORKERS, **common))
        found.one_bit.append(direct.together(description, split, WORKERS, one_bit=True, **common))
        found.jobs.append(direct.together(description, split, WORKERS, one_bit=True, job=1, **common))
    return found


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


def one_bit(setting: Setting) -> Iterator[Figure]:
    """Gradients of one bit beside plain ones: bytes, accuracy and time of four workers, Fashion-MNIST, SGD with momentum."""
    split = fashion(2_000 if setting.quick else None)
    epochs, seeds = (2, 1) if setting.quick else (EPOCHS, SEEDS)
    found = _trained(split, epochs, seeds)
    plain, ours = (
        bytes_per_step(side[0], len(split.train)) for side in (found.plain, found.one_bit)
    )
    yield Figure(
        f"bytes that a worker sends per step with plain gradients, {NETWORK}, relative to those with 1-bit gradients",
        plain / ours,
        target=25.0,
        detail=f"{plain:,.0f} bytes against {ours:,.0f} with headers, {WORKERS} workers",
    )
    how = (
        f"{epochs} epochs in batches of {SETTINGS['batch_size']}, rate {SETTINGS['step_size']:g} falling along a cosine, momentum "
        f"{direct.SETTINGS['momentum']:g}"
    )
    yield _beyond(
        f"test accuracy with 1-bit gradients, {NETWORK}, beyond that with plain ones, in points",
        found.one_bit,
        found.plain,
        how,
        -0.5,
    )
    yield _beyond(
        f"test accuracy with 1-bit gradients, {NETWORK}, in a job for each epoch, beyond that in a single job, in points",
        found.jobs,
        found.one_bit,
        "each job starts without the rounding errors of the one before",
        None,
    )
    timed = Split(split.train[:TIMED_ROWS], split.test[:100])
    for rate in (SLOW, None):
        yield _timed(timed, setting.pairs(5), rate)
