"""What trained networks get right, and what little communication changes."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench.ann import direct
from bench.ann.datasets import Split, digits_split, fashion
from bench.ann.direct import Trained
from bench.measure import Figure, Setting, seconds

COSINE = {"kind": "cosine"}
SEEDS = 3
#: Workers, and steps that each takes alone.
WORKERS, LOCAL_STEPS = 4, 50


@dataclass(frozen=True)
class Recipe:
    """A network and how it is trained."""

    name: str
    description: str
    settings: dict[str, Any]
    target: float


FASHION = (
    Recipe(
        "perceptron 784-256-128-10",
        direct.perceptron([784, 256, 128, 10], dropout=0.1),
        {"iterations": 15, "step_size": 0.001, "batch_size": 128},
        89.0,
    ),
    Recipe(
        "convolutions 3x3 of 32 and 64, each with a pool, dense 128",
        direct.convolutions(28, pools=2, dropout=0.25),
        {"iterations": 6, "step_size": 0.001, "batch_size": 128},
        91.0,
    ),
)
DIGITS = (
    Recipe(
        "perceptron 64-128-10",
        direct.perceptron([64, 128, 10]),
        {"iterations": 40, "step_size": 0.003, "batch_size": 32},
        97.0,
    ),
    Recipe(
        "convolutions 3x3 of 32 and 64, a pool, dense 128",
        direct.convolutions(8, dropout=0.25),
        {"iterations": 30, "step_size": 0.002, "batch_size": 32},
        98.5,
    ),
)
#: The target is for the first network, which is too small to learn its rows by heart. The second one does, so that a lower loss of
#: the rows that it has seen is a higher one of others.
COMPARED = (("784-64-10", True), ("784-256-128-10", False))


def _shown(settings: dict[str, Any]) -> str:
    return (
        f"{settings['iterations']} epochs of Adam in batches of {settings['batch_size']}, rate {settings['step_size']:g} falling along a "
        "cosine"
    )


def _accuracies(
    data: str, recipes: Sequence[Recipe], split: Callable[[int], Split], seeds: int, quick: bool
) -> Iterator[Figure]:
    """Yield the mean accuracy of each recipe over the seeds."""
    for recipe in recipes:
        settings = {**recipe.settings, "schedule": COSINE}
        if quick:
            settings["iterations"] = 2
        found: list[Trained] = []

        def work(seed: int, settings: Any = settings, recipe: Recipe = recipe, found: Any = found) -> None:
            found.append(direct.train(recipe.description, split(seed), seed=seed, **settings))

        times = [seconds(lambda seed=seed: work(seed)) for seed in range(seeds)]  # type: ignore[misc]
        shares = [trained.accuracy for trained in found]
        yield Figure(
            f"{data}, test accuracy: {recipe.name}",
            statistics.mean(shares),
            "%",
            target=recipe.target,
            detail=f"{_shown(settings)}; {statistics.mean(times) / 60:.1f} minutes on all cores, with the test rows after each epoch; "
            f"from {min(shares):.1f} to {max(shares):.1f} % over {seeds} seeds",
        )


def accuracy(setting: Setting) -> Iterator[Figure]:
    """Test accuracies on Fashion-MNIST, and on digits of which each seed holds out another quarter, with the minutes."""
    few = 1 if setting.quick else SEEDS
    clothes = fashion(1_000 if setting.quick else None)
    yield from _accuracies("digits", DIGITS, digits_split, 1 if setting.quick else 5, setting.quick)
    yield from _accuracies("Fashion-MNIST", FASHION, lambda _: clothes, few, setting.quick)


def _compared(name: str, split: Split, epochs: int, seed: int) -> dict[str, tuple[float, float]]:
    """Return what synchronous training and training with local steps reach after the same number of steps."""
    description = direct.perceptron([int(size) for size in name.split("-")])
    common: dict[str, Any] = {"iterations": epochs, "schedule": COSINE, "step_size": 0.001, "seed": seed}
    synchronous = direct.train(description, split, batch_size=32 * WORKERS, **common)
    local = direct.together(description, split, WORKERS, batch_size=32, local_steps=LOCAL_STEPS, **common)
    losses = [direct.loss(description, one.parameters, split.train) for one in (synchronous, local)]
    return {
        "training loss": (losses[0], losses[1]),
        "held-out loss": (synchronous.held_out, local.held_out),
        "test accuracy": (synchronous.accuracy, local.accuracy),
    }


def local_steps(setting: Setting) -> Iterator[Figure]:
    """Four workers that average after 50 steps of their own, beside synchronous training of as many steps: Fashion-MNIST, Adam."""
    split = fashion(2_000 if setting.quick else None)
    epochs, seeds = (2, 1) if setting.quick else (10, SEEDS)
    for name, has_target in COMPARED:
        found = [_compared(name, split, epochs, seed) for seed in range(seeds)]
        for what in found[0]:
            synchronous, local = (statistics.mean(one[what][at] for one in found) for at in (0, 1))
            is_loss = what != "test accuracy"
            ends = [one[what][1] - one[what][0] for one in found]
            digits = ".4f" if is_loss else ".2f"
            yield Figure(
                f"{what} with {LOCAL_STEPS} local steps, {name}, "
                + (
                    "relative to synchronous training"
                    if is_loss
                    else "beyond that of synchronous training, in points"
                ),
                local / synchronous if is_loss else local - synchronous,
                "x" if is_loss else "",
                target=None if not has_target else 1.0 if is_loss else -1.0,
                at_least=not is_loss,
                detail=f"{local:{digits}} against {synchronous:{digits}}, means of {seeds} seeds, whose differences are from "
                f"{min(ends):+{digits}} to {max(ends):+{digits}}; {epochs} epochs, {WORKERS} workers",
            )
