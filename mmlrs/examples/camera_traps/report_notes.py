"""How a study was made, and what to be careful about."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import TYPE_CHECKING

import mmlrs
from mmlrs._messages import counted
from mmlrs.examples.camera_traps.page import escaped, listed, percent, quantity, section
from mmlrs.examples.camera_traps.variants import MAX_MAP_BYTES, PENALTIES, SIDE

if TYPE_CHECKING:
    from mmlrs.examples.camera_traps.study import Study

__all__ = ["cautions_of", "footer_of", "made_of"]

#: Pictures of the target, and cameras, below which test figures are rough.
_FEW_TARGETS, _FEW_CAMERAS = 50, 5


def made_of(study: Study) -> str:
    """Return how the study was made: everything that is needed to repeat it."""
    rows = {
        "Pictures": f"<code>{escaped(study.images)}</code>",
        "Labels": f"{escaped(study.labelled.source)}; the target is <b>{escaped(study.target)}</b>",
        "Bursts": escaped(study.labelled.visits),
        "Split": f"{escaped(study.split.how)}; test: {escaped(', '.join(study.split.test))}",
        "Threshold": f"The training cameras are in {study.split.count} parts. Each part is scored by a model that was trained on the others. "
        f"Of all these scores, the threshold is the highest from which {percent(study.recall)} of the target's pictures are found. No test "
        "camera takes part, and no picture is scored by a model that has seen its camera.",
        "Features": f"LR120: {SIDE} x {SIDE} gray pixels. RN1: {escaped(study.settings.network)} without its last layer, averaged over the "
        f"picture. RN2: without its last two layers, with {_pooling(study)}",
        "Learner": f"Logistic regression, at most {study.settings.iterations} iterations, with class weights that make the target count as much as "
        f"everything else, and an L2 penalty of {PENALTIES['pixels'][0]:g} on standardized pixels and {PENALTIES['spatial'][0]:g} on features",
        "Seed": str(study.seed),
        "Versions": escaped(_versions()),
        "Time": ", ".join(f"{escaped(step)} {taken:.0f} s" for step, taken in study.seconds.items()),
    }
    items = "".join(f"<dt>{term}</dt><dd>{text}</dd>" for term, text in rows.items())
    return section("How it was made", f'<dl class="facts">{items}</dl>')


def _pooling(study: Study) -> str:
    """Return how RN2 reads the map of the network, and why."""
    size = 2 * (study.trained.num_rows + study.tested.num_rows) * study.map_values * 8 / 2**20
    limit = f"{MAX_MAP_BYTES / 2**20:.0f} MB"
    values = quantity(study.map_values)
    if study.settings.pooling == "none":
        return f"all {values} values of its map, since the matrix of all pictures and mirror images ({size:,.0f} MB) is not above {limit}"
    return (
        f"means over 2 x 2 parts of its map of {values} values, since the matrix of all pictures and mirror images would have {size:,.0f} MB, "
        f"more than {limit}"
    )


def _versions() -> str:
    packages = ("pyspark", "pyarrow", "onnxruntime")
    found = {"mmlrs": mmlrs.__version__, "Python": platform.python_version()}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return ", ".join(f"{name} {version}" for name, version in found.items())


def cautions_of(study: Study) -> str:
    """Return what to be careful about, and what was left out."""
    target, test, known = escaped(study.target), study.chosen.test, study.labelled
    notes = [
        (
            f"The test pictures are of {counted(len(study.split.test), 'camera')}. Other places, seasons and camera models may be harder. Look at "
            "the cameras one by one above, and label some pictures of a new place before you trust a score there."
        ),
        (
            f"The threshold found {percent(test.recall)} of {target} on the test cameras, where {percent(study.recall)} was asked for on the "
            "training cameras. Expect a difference of this size at new places."
        ),
        (
            "Pictures of one burst are not independent: a visit that is found or missed counts once per picture. A score is no probability of the "
            f"field, since training counts {target} as much as everything else together."
        ),
        "The hours assume that a removed picture costs no time and that every picture costs the same.",
    ]
    if test.targets < _FEW_TARGETS or len(study.split.test) < _FEW_CAMERAS:
        notes.insert(
            0,
            f"The test has only {quantity(test.targets)} {target} pictures of {counted(len(study.split.test), 'camera')}, so all figures are rough: "
            "another split would give others. Repeat the study with other seeds.",
        )
    if known.of_sequence:
        notes.append(
            f"The labels of {counted(known.of_sequence, 'picture')} are known for their burst only, so some of these pictures show nothing."
        )
    failed = [f"{file}: {reason}" for file, reason in study.failures.items()]
    lists = [
        listed(f"{counted(len(failed), 'picture')} could not be read and were left out", failed),
        listed(
            f"{counted(len(known.without_label), 'picture')} without a label were left out",
            known.without_label,
        ),
        listed(
            f"{counted(len(known.without_picture), 'label')} without a picture were left out",
            known.without_picture,
        ),
    ]
    items = "".join(f"<li>{note}</li>" for note in notes)
    return section("What to be careful about", f'<ul class="cautions">{items}</ul>', *lists)


def footer_of(study: Study) -> str:
    """Return where the other results are."""
    return (
        "<footer>The score of every test picture is in <code>scores.csv</code>, all figures are in <code>metrics.json</code>, and the chosen model "
        f"({escaped(study.chosen.variant.name)}) is in the folder <code>model</code>.</footer>\n"
    )
