"""The study: which pictures show a rare animal, learnt on some cameras and tested on others."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from mmlrs._messages import counted, shown
from mmlrs._paths import PathLike, is_remote, local_path, path_of
from mmlrs.errors import InvalidParamError, IoError
from mmlrs.examples.camera_traps.cameras import Split, split_by_camera
from mmlrs.examples.camera_traps.described import Described, describe
from mmlrs.examples.camera_traps.figures import Figures, Floats, figures, threshold_of
from mmlrs.examples.camera_traps.labelled import Labelled, labelled
from mmlrs.examples.camera_traps.learning import Scored, averaged_over_bursts, learn
from mmlrs.examples.camera_traps.variants import VARIANTS, Settings, Variant, spatial_pooling

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["Outcome", "Study", "run"]

_NAME = "camera_traps"


@dataclass(frozen=True)
class Outcome:
    """How well one variant works.

    Parameters
    ----------
    variant : Variant
        The variant.
    model : pyspark.ml.PipelineModel
        Its class weights and its logistic regression, trained on all training cameras.
    train, test : Figures
        Of the training cameras, each scored by a model that has not seen it, and of the test cameras.
    scores : ndarray
        The score of each test picture, in the order of `Study.tested`.
    """

    variant: Variant
    model: Any
    train: Figures
    test: Figures
    scores: Floats


@dataclass(frozen=True)
class Study:
    """A finished study.

    Parameters
    ----------
    images, out : Path
        The folders of pictures and results.
    target : str
        What is looked for.
    recall : float
        The share of the target's pictures that the threshold should find.
    seed : int
        The seed of the split.
    settings : Settings
        Network, pooling and iterations.
    map_values : int
        Values of the network's map, of which "grid" keeps means.
    labelled : Labelled
        The pictures and their labels.
    failures : dict of str to str
        Why pictures could not be read.
    split : Split
        The cameras of both sides.
    trained, tested : pyarrow.Table
        The pictures of both sides.
    outcomes : tuple of Outcome
        The variants, in the order of `VARIANTS`.
    seconds : dict of str to float
        How long each step took.
    """

    images: Path
    out: Path
    target: str
    recall: float
    seed: int
    settings: Settings
    map_values: int
    labelled: Labelled
    failures: dict[str, str]
    split: Split
    trained: pa.Table
    tested: pa.Table
    outcomes: tuple[Outcome, ...]
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def chosen(self) -> Outcome:
        """The variant with the best average precision on the training cameras; of equals, the last."""
        return max(reversed(self.outcomes), key=lambda outcome: outcome.train.average_precision or 0.0)


def run(
    spark: SparkSession,
    images: PathLike,
    out: PathLike,
    labels: PathLike | None = None,
    *,
    target: str = "cat",
    recall: float = 0.95,
    seed: int = 0,
    model: str = "efficientnet-lite0",
    iterations: int = 40,
    report: Callable[[str, str], None] | None = None,
) -> Study:
    """Learn to find a target in camera-trap pictures, test it on other cameras, and write a report and a model.

    Parameters
    ----------
    spark : pyspark.sql.SparkSession
        The session that computes features and trains.
    images : path
        Local folder of the pictures. Its first level of folders are the cameras, unless the labels name locations.
    out : path
        Local folder for `report.html`, `scores.csv`, `metrics.json` and `model`. It is created; these four are replaced.
    labels : path, optional
        A JSON file of COCO Camera Traps, or a CSV file with the columns file and label, and optionally location, sequence and
        split. Default: `labels.csv` or `coco.json` in the folder of the pictures.
    target : str, default "cat"
        The label of the target. Case does not matter if only one label fits.
    recall : float, default 0.95
        The share of the target's pictures that the threshold should find; more than 0, at most 1.
    seed : int, default 0
        Seed of the split by camera, at least 0.
    model : str, default "efficientnet-lite0"
        Name or path of the network.
    iterations : int, default 40
        Iterations of each logistic regression, at most.
    report : callable, optional
        Called with a topic and a line of text after each step.

    Returns
    -------
    Study
        What the report says.

    Raises
    ------
    InvalidParamError
        A param has a value that is not allowed, no picture shows the target, or no split by camera is possible.
    DecodeError
        The labels are damaged, or no picture can be read.
    IoError
        A file or folder cannot be read or written.

    Notes
    -----
    Pictures without a label, and those that cannot be read, are left out, counted and listed in the report.
    """
    from mmlrs.examples.camera_traps import outputs

    tell = report or _silent
    folder, target = _checked(images, out, target, recall, seed, iterations)
    seconds: dict[str, float] = {}
    with _timed(seconds, "labels"):
        known = labelled(folder, None if labels is None else _local(labels, "labels"), target)
        split_by_camera(known.table, target, seed)  # fails before the work, not after it
    told = f"{counted(known.table.num_rows, 'labelled picture')}, of which {int(sum(known.table['target'].to_pylist())):,} show"
    tell("labels", f"{told} {target}; {known.source}")
    settings, values = _settings(folder, known.table, model, iterations)
    with _timed(seconds, "features"):
        described = describe(spark, folder, known.table, settings)
    tell("features", f"of {counted(described.table.num_rows, 'picture')} in {seconds['features']:.0f} s")
    try:
        split = split_by_camera(described.table, target, seed)
        with _timed(seconds, "training"):
            learnt = _learnt(described, split, settings, tell)
    finally:
        described.frame.unpersist()
    test = pa.array([place in split.test for place in described.table["location"].to_pylist()])
    train = pa.array([not is_test for is_test in test.to_pylist()])
    study = Study(
        folder, _local(out, "out"), target, float(recall), int(seed), settings, values, known, described.failures, split,
        described.table.filter(train), described.table.filter(test), (), seconds,
    )  # fmt: skip
    study = replace(study, outcomes=tuple(_judged(study, learnt)))
    with _timed(seconds, "report"):
        outputs.write(study)
    for outcome in study.outcomes:
        tell(outcome.variant.name, _told(outcome))
    tell("chosen", f"{study.chosen.variant.name}, with the best average precision on the training cameras")
    return study


def _silent(topic: str, text: str) -> None:
    """Say nothing."""


def _told(outcome: Outcome) -> str:
    test = outcome.test
    parts = (
        ("AUC", test.auc), ("average precision", test.average_precision), ("recall", test.recall), ("precision", test.precision),
    )  # fmt: skip
    return ", ".join(f"{name} {'-' if value is None else f'{value:.3f}'}" for name, value in parts)


def _learnt(
    described: Described, split: Split, settings: Settings, report: Callable[[str, str], None]
) -> dict[tuple[str, bool], Scored]:
    """Return what is learnt from each kind of features, with and without flips."""
    learnt: dict[tuple[str, bool], Scored] = {}
    for variant in VARIANTS:
        key = variant.features, variant.flips
        if key not in learnt:
            start = time.perf_counter()
            learnt[key] = learn(described.frame, variant, split, settings)
            report(
                "trained", f"{variant.name} {split.count + 1} times in {time.perf_counter() - start:.0f} s"
            )
    return learnt


def _judged(study: Study, learnt: dict[tuple[str, bool], Scored]) -> Iterator[Outcome]:
    """Yield the figures of each variant, at the threshold that its scores of the training cameras choose."""
    for variant in VARIANTS:
        scored = learnt[variant.features, variant.flips]
        (targets, known), (others, fresh) = (
            _arrays(table, scores, variant)
            for table, scores in ((study.trained, scored.train), (study.tested, scored.test))
        )
        threshold = threshold_of(targets, known, study.recall)
        train, test = figures(targets, known, threshold), figures(others, fresh, threshold)
        yield Outcome(variant, scored.model, train, test, fresh)


def _arrays(table: pa.Table, scores: pa.Table, variant: Variant) -> tuple[Floats, Floats]:
    """Return targets and scores in the order of a table of pictures."""
    if variant.bursts:
        bursts = dict(zip(table["file"].to_pylist(), table["sequence"].to_pylist(), strict=True))
        scores = averaged_over_bursts(scores, bursts)
    found = dict(zip(scores["file"].to_pylist(), scores["probability"].to_pylist(), strict=True))
    return table["target"].to_numpy(), np.array([found[file] for file in table["file"].to_pylist()])


def _settings(images: Path, table: pa.Table, network: str, iterations: int) -> tuple[Settings, int]:
    """Return the settings, whose pooling depends on the size of the training matrix with flips, and the values of the map."""
    for file in table["file"].to_pylist():
        try:
            pooling, values = spatial_pooling(network, (images / file).read_bytes(), 2 * table.num_rows)
        except _BAD_PICTURE:
            continue
        return Settings(network, pooling, iterations), values
    # No picture can be read: `describe` says why.
    return Settings(network, iterations=iterations), 0


_BAD_PICTURE = (OSError, ValueError)


def _checked(
    images: PathLike, out: PathLike, target: object, recall: object, seed: object, iterations: object
) -> tuple[Path, str]:
    """Return the folder of pictures and the target, or raise the error of the first bad param."""
    if not isinstance(target, str) or not target.strip():
        raise InvalidParamError(
            f"{_NAME}: param `target` must be a label, such as 'cat', got {shown(target)}"
        )
    if isinstance(recall, bool) or not isinstance(recall, Real) or not 0 < float(recall) <= 1:
        raise InvalidParamError(
            f"{_NAME}: param `recall` must be a number above 0 and at most 1, such as 0.95, got {shown(recall)}"
        )
    for name, value, least in (("seed", seed, 0), ("iterations", iterations, 1)):
        if isinstance(value, bool) or not isinstance(value, Integral) or not least <= int(value) < 2**31:
            raise InvalidParamError(
                f"{_NAME}: param `{name}` must be a whole number of at least {least} and below 2^31, got {shown(value)}"
            )
    folder = _local(images, "images")
    result = _local(out, "out")
    if result.exists() and not result.is_dir():
        raise IoError(f"{_NAME}: param `out`: {result} is a file; pass a folder")
    return folder, target.strip()


def _local(path: PathLike, name: str) -> Path:
    where = f"{_NAME}: param `{name}`"
    text = path_of(path, where)
    if is_remote(text):
        raise InvalidParamError(f"{where} must be a local path, got {text}; copy it first")
    return Path(os.path.abspath(local_path(text)))


@contextmanager
def _timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[step] = time.perf_counter() - start
