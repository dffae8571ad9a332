"""The pictures and the cameras of the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from mmlrs.examples.camera_traps.figures import Figures, Floats, figures
from mmlrs.examples.camera_traps.page import (
    caption,
    escaped,
    number,
    percent,
    quantity,
    section,
    table,
)
from mmlrs.examples.camera_traps.thumbnails import thumbnails

if TYPE_CHECKING:
    from mmlrs.examples.camera_traps.study import Study

__all__ = ["cameras_of", "section_of"]

#: Pictures in each grid.
_PICTURES = 12


def section_of(study: Study) -> str:
    """Return grids of the most confident and of the most wrong answers of the chosen variant."""
    target, scores = escaped(study.target), study.chosen.scores
    shows = study.tested["target"].to_numpy() > 0
    threshold = study.chosen.test.threshold
    grids = [
        (
            "Most confident",
            "the highest scores",
            _extreme(study, scores, np.ones(len(scores), bool), highest=True),
        ),
        (
            "Hardest to find",
            f"pictures of {target} with the lowest scores",
            _extreme(study, scores, shows, highest=False),
        ),
        (
            f"Most like {target}",
            "other pictures with the highest scores",
            _extreme(study, scores, ~shows, highest=True),
        ),
    ]
    small = thumbnails(
        study.images, [study.tested["file"][place].as_py() for _, _, places in grids for place in places]
    )
    parts = [f"<h3>{title}: {what}</h3>{_grid(study, places, small)}" for title, what, places in grids]
    return section(
        "Look at the pictures",
        *parts,
        lead=f"Scores are of {escaped(study.chosen.variant.name)}; its threshold is {number(threshold)}. A line below a picture is "
        f"green if the decision is right: {target} is kept, or anything else removed. It is orange if it is wrong. Only one picture of each "
        "burst is shown.",
    )


def _extreme(study: Study, scores: Floats, wanted: Any, *, highest: bool) -> list[int]:
    """Return the pictures with the highest or lowest scores, one per burst."""
    bursts = study.tested["sequence"].to_pylist()
    found: dict[str, int] = {}
    for place in np.argsort(-scores if highest else scores, kind="stable"):
        if wanted[place]:
            found.setdefault(bursts[place], int(place))
            if len(found) == _PICTURES:
                break
    return list(found.values())


def _grid(study: Study, places: Sequence[int], small: dict[str, str]) -> str:
    threshold = study.chosen.test.threshold
    boxes = []
    for place in places:
        row = {name: study.tested[name][place].as_py() for name in ("file", "label", "location", "target")}
        score = float(study.chosen.scores[place])
        right = (score >= threshold) == bool(row["target"])
        mark = "" if right else ' class="wrong"'
        label = escaped(row["label"])
        camera = f"camera {escaped(row['location'])}" if row["location"] else "no camera"
        boxes.append(
            f'<figure{mark}><img loading="lazy" src="{small[row["file"]]}" alt="{label}, score {score:.2f}, {camera}"><figcaption><b>'
            f'{score:.2f}</b> <span class="verdict">{label}</span><small>{camera}, {escaped(row["file"])}</small></figcaption></figure>'
        )
    return f'<div class="pictures">{"".join(boxes)}</div>'


def cameras_of(study: Study) -> str:
    """Return a part per test camera, and a table of the training cameras."""
    target = escaped(study.target)
    locations = np.array(study.tested["location"].to_pylist(), object)
    targets = study.tested["target"].to_numpy()
    threshold = study.chosen.test.threshold
    parts = []
    for camera in study.split.test:
        own = locations == camera
        parts.append(_camera(camera, target, figures(targets[own], study.chosen.scores[own], threshold)))
    return section(
        "Camera by camera",
        f'<div class="cameras">{"".join(parts)}</div>',
        caption(
            f"The bar shows the {target} pictures of the camera: green was found, orange was missed. The AUC is not defined for a camera "
            f"without {target} or with nothing else, and is uncertain for one with few."
        ),
        _training(study),
        lead=f"The test cameras, with {escaped(study.chosen.variant.name)} at its threshold. Places differ, so a good mean may hide a camera "
        "where it does not work.",
    )


def _camera(camera: str, target: str, own: Figures) -> str:
    name = escaped(camera) if camera else "pictures in no folder"
    found, missed = own.confusion[1][1], own.confusion[1][0]
    vain = own.confusion[0][1]
    if own.targets:
        told = f"{quantity(found)} of {quantity(own.targets)} {target} pictures found"
        bar = f'<div class="bar"><i class="hit" style="flex:{found}"></i><i class="miss" style="flex:{missed}"></i></div>'
    else:
        told, bar = f"No {target} picture", '<div class="bar"></div>'
    return (
        f'<div class="card camera"><h3>{name}</h3>{bar}<p>{told}; {quantity(vain)} of {quantity(own.frames - own.targets)} others kept in '
        f"vain.</p><dl><div><dt>frames</dt><dd>{quantity(own.frames)}</dd></div><div><dt>of {target}</dt><dd>{quantity(own.targets)}</dd></div>"
        f"<div><dt>AUC</dt><dd>{number(own.auc)}</dd></div><div><dt>recall</dt><dd>{percent(own.recall)}</dd></div>"
        f"<div><dt>precision</dt><dd>{percent(own.precision)}</dd></div><div><dt>removed</dt><dd>{percent(own.below / own.frames)}</dd></div>"
        "</dl></div>"
    )


def _training(study: Study) -> str:
    """Return the frames of the training cameras, in a table that opens on a click."""
    counts = pa.table({"camera": study.trained["location"], "target": study.trained["target"]})
    groups = counts.group_by("camera").aggregate([("target", "count"), ("target", "sum")]).sort_by("camera")
    rows = [
        (
            escaped(row["camera"] or "pictures in no folder"),
            quantity(row["target_count"]),
            quantity(row["target_sum"]),
            str(study.split.folds[row["camera"]] + 1),
        )
        for row in groups.to_pylist()
    ]
    head = ("training camera", "frames", f"of {escaped(study.target)}", "part")
    return f"<details><summary>The {len(rows)} training cameras</summary>{table(head, rows)}</details>"
