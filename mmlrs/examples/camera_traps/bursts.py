"""The plan of a data set: cameras, their bursts, and what each burst shows."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

import numpy as np

from mmlrs.examples.camera_traps.species import SPECIES

#: Shares of the frames that show the target, and that have colours.
TARGET_SHARE, COLOR_SHARE = 0.1, 0.05
#: Share of the cameras that are kept for testing.
TEST_SHARE = 0.2
#: Share of the cameras that never see the target.
WITHOUT_TARGET = 0.15
#: Frames of a burst, and seconds between them: the least and the most.
LENGTHS, PAUSES = (3, 10), (1, 10)
#: Seconds that a burst may take; bursts begin in different slots, and at most `SLACK` seconds after the begin of theirs.
SLOT, SLACK = 180, 20
#: Hours of the day with each light.
HOURS = {"night": (*range(19, 24), *range(5)), "gray": (5, 6, 7, 8, 16, 17, 18), "color": tuple(range(9, 16))}
#: Invented makes and models of cameras.
MAKES = (("Fernwald", "FW 300"), ("Fernwald", "FW 410"), ("Nightjar", "NJ-12"), ("Moorhen", "Trail 5"))
EMPTY = "empty"


@dataclass(frozen=True)
class Burst:
    """Pictures that a camera takes in one go."""

    #: "night", "gray" or "color".
    mode: str
    label: str
    #: How many of the first frames show what the label says. Then the animal is gone.
    shown: int
    times: tuple[dt.datetime, ...]

    def label_of(self, frame: int) -> str:
        """Return the label of a frame, counted from 0."""
        return self.label if frame < self.shown else EMPTY


@dataclass(frozen=True)
class Camera:
    """A camera and its bursts, in the order of time."""

    name: str
    make: str
    model: str
    serial: str
    split: str
    #: Whether it writes name and time into its pictures.
    stamps: bool
    bursts: tuple[Burst, ...]


def cameras(rng: np.random.Generator, frames: int, count: int, target: str) -> list[Camera]:
    """Return the plan: `count` cameras, which take `frames` pictures."""
    busy = rng.gamma(2, 1, count)
    numbers = 1 + rng.multinomial(frames - count, busy / busy.sum())
    lengths = [_lengths(rng, int(number)) for number in numbers]
    test = set(rng.permutation(count)[: max(round(TEST_SHARE * count), 1)].tolist())
    labels = _labels(rng, lengths, test, target)
    modes = _modes(rng, lengths)
    plan = []
    for index in range(count):
        make, model = MAKES[int(rng.integers(len(MAKES)))]
        bursts = [Burst(m, label, shown, ()) for m, (label, shown) in zip(modes[index], labels[index])]
        plan.append(
            Camera(
                f"C{index + 1:02}",
                make,
                model,
                f"{make[0]}{int(rng.integers(10**7, 10**8))}",
                "test" if index in test else "train",
                bool(rng.random() < 0.7),
                _timed(rng, bursts, lengths[index]),
            )
        )
    return plan


def _lengths(rng: np.random.Generator, frames: int) -> list[int]:
    """Return the lengths of bursts with `frames` frames in total. Fewer than the least are one burst."""
    low, high = LENGTHS
    if frames < 2 * low:
        return [frames]
    count = max(-(-frames // high), min(round(frames / 6.5), frames // low))
    lengths = np.full(count, low)
    for _ in range(frames - low * count):
        lengths[rng.choice(np.flatnonzero(lengths < high))] += 1
    return [int(length) for length in lengths]


def _labels(
    rng: np.random.Generator, lengths: list[list[int]], test: set[int], target: str
) -> list[list[tuple[str, int]]]:
    """Return the label of every burst and the number of frames that show it. Cameras have species of their own."""
    shown = [
        [length if rng.random() < 0.7 else int(rng.integers(1, length + 1)) for length in row]
        for row in lengths
    ]
    labels: list[list[str]] = []
    others = [label for label in SPECIES if label not in (target, "person")]
    for row in lengths:
        people, animals = float(rng.beta(1, 9)), float(rng.beta(2, 5))
        mix = rng.dirichlet(np.full(len(others), 0.4))
        drawn = rng.choice(
            [EMPTY, "person", "animal"],
            len(row),
            p=[1 - people - (1 - people) * animals, people, (1 - people) * animals],
        )
        labels.append(
            [str(others[int(rng.choice(len(others), p=mix))]) if x == "animal" else str(x) for x in drawn]
        )
        if target == "person":
            labels[-1] = [EMPTY if x == "person" else x for x in labels[-1]]
    wanted = TARGET_SHARE * sum(map(sum, lengths))
    for camera, burst in _target_bursts(rng, shown, test, wanted):
        labels[camera][burst] = target
    return [[(x, 0 if x == EMPTY else n) for x, n in zip(*rows)] for rows in zip(labels, shown)]


def _target_bursts(
    rng: np.random.Generator, shown: list[list[int]], test: set[int], wanted: float
) -> list[tuple[int, int]]:
    """Return camera and number of the bursts that show the target in about `wanted` frames, unequally many per camera."""
    count = len(shown)
    order = [int(index) for index in rng.permutation(count)]
    # The first camera of each part sees the target, so both parts can be judged.
    first = [next(i for i in order if (i in test) is part) for part in (True, False)]
    order = first + [index for index in order if index not in first]
    able = order[: max(count - int(WITHOUT_TARGET * count), 2)]
    liking = rng.gamma(0.7, 1, count)
    waiting = {index: [int(b) for b in rng.permutation(len(shown[index]))] for index in able}
    chosen: list[tuple[int, int]] = []
    total, turn = 0, list(able)
    while any(waiting.values()):
        if turn:
            camera = turn.pop(0)
        else:
            open_ = [index for index in able if waiting[index]]
            weights = np.array([liking[index] * len(waiting[index]) for index in open_]) + 1e-9
            camera = int(rng.choice(open_, p=weights / weights.sum()))
        burst = waiting[camera].pop()
        length = shown[camera][burst]
        if len(chosen) >= 2 and total + length / 2 > wanted:
            break
        chosen.append((camera, burst))
        total += length
    return chosen


def _modes(rng: np.random.Generator, lengths: list[list[int]]) -> list[list[str]]:
    """Return the light of every burst. Colours are independent of camera and label."""
    modes = []
    for row in lengths:
        night = float(rng.beta(4, 2.5))
        modes.append(["night" if rng.random() < night else "gray" for _ in row])
    bursts = [(camera, burst) for camera, row in enumerate(lengths) for burst in range(len(row))]
    wanted = COLOR_SHARE * sum(map(sum, lengths))
    for camera, burst in rng.permutation(bursts).tolist():
        if wanted < lengths[camera][burst] / 2:
            break
        wanted -= lengths[camera][burst]
        modes[camera][burst] = "color"
    return modes


def _timed(rng: np.random.Generator, bursts: list[Burst], lengths: list[int]) -> tuple[Burst, ...]:
    """Return the bursts with their times, in order. Each begins in a slot of its own."""
    days = max(30, len(bursts) // 10)
    first = dt.datetime(2021, 1, 1) + dt.timedelta(days=int(rng.integers(0, 700)))  # noqa: DTZ001 (as in EXIF)
    taken: set[int] = set()
    timed = []
    for burst, length in zip(bursts, lengths):
        hours = HOURS[burst.mode]
        slot = -1
        while slot < 0 or slot in taken:
            hour = hours[int(rng.integers(len(hours)))]
            slot = (int(rng.integers(days)) * 24 + hour) * (3600 // SLOT) + int(rng.integers(3600 // SLOT))
        taken.add(slot)
        pauses = rng.integers(PAUSES[0], PAUSES[1] + 1, length - 1)
        seconds = slot * SLOT + int(rng.integers(SLACK)) + np.concatenate([[0], np.cumsum(pauses)])
        times = tuple(first + dt.timedelta(seconds=int(s)) for s in seconds)
        timed.append(replace(burst, times=times))
    return tuple(sorted(timed, key=lambda burst: burst.times))
