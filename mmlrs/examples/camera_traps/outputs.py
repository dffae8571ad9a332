"""What a study writes: the report, the scores, the figures as JSON, and the model."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mmlrs
from mmlrs._paths import with_space
from mmlrs._places import atomic_file
from mmlrs.camera_traps._spreadsheets import harmless
from mmlrs.errors import IoError, MmlrsError
from mmlrs.examples.camera_traps.report import report_of
from mmlrs.examples.camera_traps.saved_study import StudyModel
from mmlrs.examples.camera_traps.variants import features_of
from mmlrs.examples.camera_traps.visits import GAP_SECONDS

if TYPE_CHECKING:
    from mmlrs.examples.camera_traps.study import Outcome, Study

__all__ = ["write"]

_NAME = "camera_traps"


def write(study: Study) -> None:
    """Write the results of a study to its folder.

    Raises
    ------
    IoError
        The folder cannot be written.
    """
    out = study.out
    try:
        out.mkdir(parents=True, exist_ok=True)
        _write_model(study)
        _write(out / "scores.csv", _scores(study))
        _write(out / "metrics.json", json.dumps(_metrics(study), indent=1, ensure_ascii=False) + "\n")
        _write(out / "report.html", report_of(study))
    except OSError as error:
        if isinstance(error, MmlrsError):
            raise
        message = f"{_NAME}: param `out`: {out} cannot be written ({error})"
        raise IoError(with_space(message, str(out), error)) from None


def _write(path: Path, text: str) -> None:
    with atomic_file(f"{_NAME}:", path) as file:
        file.write(text.encode())


def _scores(study: Study) -> str:
    """Return a CSV with a line per test picture and a column per variant."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(
        ("file", "location", "sequence", "label", "target", *(o.variant.name for o in study.outcomes))
    )
    scores = [outcome.scores for outcome in study.outcomes]
    for place, row in enumerate(study.tested.to_pylist()):
        names = (harmless(row[name]) for name in ("file", "location", "sequence", "label"))
        lines.writerow((*names, int(row["target"]), *(f"{own[place]:.6f}" for own in scores)))
    return text.getvalue()


def _metrics(study: Study) -> dict[str, Any]:
    """Return the figures and how they were made."""
    return {
        "target": study.target,
        "chosen": study.chosen.variant.name,
        "variants": {
            outcome.variant.name: {"train": outcome.train.summary(), "test": outcome.test.summary()}
            for outcome in study.outcomes
        },
        "recall": study.recall,
        "seed": study.seed,
        "model": study.settings.network,
        "pooling": study.settings.pooling,
        "iterations": study.settings.iterations,
        "split": {"test": list(study.split.test), "folds": study.split.folds, "how": study.split.how},
        "bursts": study.labelled.visits,
        "failures": study.failures,
        "labelsWithoutPicture": list(study.labelled.without_picture),
        "picturesWithoutLabel": list(study.labelled.without_label),
        "seconds": {step: round(taken, 2) for step, taken in study.seconds.items()},
    }


def _write_model(study: Study) -> None:
    """Save the chosen pipeline, from one picture to probabilities, for Spark and for machines without Java."""
    from pyspark.ml import PipelineModel

    outcome: Outcome = study.chosen
    variant = outcome.variant
    stages = features_of(variant.features, study.settings, "image", "features")
    pipeline = PipelineModel(stages=[*stages, outcome.model.stages[-1]])
    StudyModel(
        mmlrs.compile(pipeline, outputCols=["probability"]),
        target=study.target,
        threshold=outcome.test.threshold,
        gap_seconds=float(GAP_SECONDS) if variant.bursts else None,
        flips=variant.flips,
        variant=variant.name,
        network=study.settings.network,
    ).write(study.out / "model", pipeline=pipeline, overwrite=True)
