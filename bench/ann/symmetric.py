"""Symmetric SGD of linear models: how close many workers stay to sequential steps."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bench.ann import direct
from bench.ann.datasets import Split
from bench.ann.topics import SLOTS, TOPICS, topics_split
from bench.measure import Figure, Setting

WORKERS, SEEDS = 8, 3
#: Plain averaging averages as often as symmetric SGD combines.
LOCAL_STEPS = 10
PASSES = 5
#: Step sizes. At both, sequential steps still improve the held-out loss from pass to pass. The second one is better for them, and
#: symmetric SGD combines more often.
STEP_SIZES = (0.3, 1.0)
#: By how many per cent the held-out loss may be above that of sequential steps.
BEYOND = 2.0
BATCH = 8


@dataclass(frozen=True)
class Losses:
    """Losses of the held-out rows after each pass, and the MB that the first worker sends in the last pass."""

    sequential: list[float]
    symmetric: list[float]
    averaged: list[float]
    symmetric_sent: float
    averaged_sent: float


def compared(split: Split, step_size: float, passes: int, seed: int) -> Losses:
    """Train a linear model with one worker, and with many that combine or average their steps."""
    layers: direct.Layers = [{"kind": "dense", "size": len(TOPICS)}]
    description = direct.described([split.train.x.shape[1]], layers)
    common: dict[str, Any] = {
        "iterations": passes,
        "step_size": step_size,
        "momentum": 0.0,
        "nesterov": False,
        "batch_size": BATCH,
        "seed": seed,
    }
    averaging: dict[str, Any] = {"local_steps": LOCAL_STEPS, "outer_rate": 1.0, "outer_momentum": 0.0}
    trained = (
        direct.train(description, split, threads=1, solver="sgd", **common),
        direct.together(description, split, WORKERS, solver="symsgd", **common),
        direct.together(description, split, WORKERS, solver="sgd", **averaging, **common),
    )
    sequential, symmetric, averaged = (
        [float(line["validation_loss"]) for line in one.lines] for one in trained
    )
    sent = [1e-6 * one.lines[-1]["bytes_sent"] for one in trained[1:]]
    return Losses(sequential, symmetric, averaged, *sent)


def _mean(found: list[list[float]]) -> str:
    return " ".join(f"{statistics.mean(losses):.3f}" for losses in zip(*found, strict=True))


def _figures(found: list[Losses], step_size: float, rows: int) -> Iterator[Figure]:
    """Yield by how many per cent the last loss is above that of sequential steps."""
    sequential = [one.sequential for one in found]
    for what, own, limit, sent in (
        ("symmetric SGD", [one.symmetric for one in found], BEYOND, [one.symmetric_sent for one in found]),
        (
            f"averages after {LOCAL_STEPS} steps",
            [one.averaged for one in found],
            None,
            [one.averaged_sent for one in found],
        ),
    ):
        beyond = [100 * (a[-1] / b[-1] - 1) for a, b in zip(own, sequential, strict=True)]
        yield Figure(
            f"held-out loss of {what} by {WORKERS} workers beyond that of sequential SGD, step size {step_size:g}",
            statistics.mean(beyond),
            "%",
            target=limit,
            at_least=False,
            detail=f"after each pass {_mean(own)}, sequential {_mean(sequential)}, means of {len(found)} seeds, at the end from "
            f"{min(beyond):+.1f} to {max(beyond):+.1f} %; a worker sends {statistics.mean(sent):.1f} MB in a pass; batches of {BATCH}; "
            f"{rows:,} texts of {len(TOPICS)} topics, words hashed to "
            f"{SLOTS:,} slots, TF-IDF of unit length",
        )


def symmetric(setting: Setting) -> Iterator[Figure]:
    """A linear model of hashed texts: symmetric SGD and averages of eight workers that are threads, beside sequential SGD."""
    passes, seeds = (2, 1) if setting.quick else (PASSES, SEEDS)
    splits = [topics_split(seed, 1_500 if setting.quick else None) for seed in range(seeds)]
    for step_size in STEP_SIZES:
        found = [compared(split, step_size, passes, seed) for seed, split in enumerate(splits)]
        yield from _figures(found, step_size, len(splits[0].train))
