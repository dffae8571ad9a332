"""The report of a study: one HTML file that needs nothing else, in the words of those who look at the pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.compute as pc

from mmlrs._messages import counted
from mmlrs.examples.camera_traps import report_notes, report_pictures
from mmlrs.examples.camera_traps.charts import Line, chart, effort, legend
from mmlrs.examples.camera_traps.figures import HOURS_PER_MILLION, Figures
from mmlrs.examples.camera_traps.page import (
    caption,
    document,
    escaped,
    hours,
    number,
    percent,
    quantity,
    section,
    table,
)

if TYPE_CHECKING:
    from mmlrs.examples.camera_traps.study import Study

__all__ = ["report_of"]

#: With fewer test cameras, or visits of the target to them, the report warns.
FEW_CAMERAS, FEW_VISITS = 3, 10


def report_of(study: Study) -> str:
    """Return the HTML text of the report."""
    return document(
        f"Pictures that show {study.target}",
        _head(study),
        _curves(study),
        _variants(study),
        _removals(study),
        _matrices(study),
        report_pictures.section_of(study),
        report_pictures.cameras_of(study),
        report_notes.made_of(study),
        report_notes.cautions_of(study),
        report_notes.footer_of(study),
    )


def _head(study: Study) -> str:
    target, test = escaped(study.target), study.chosen.test
    everything = study.trained.num_rows + study.tested.num_rows
    cameras = len(study.split.folds) + len(study.split.test)
    text = (
        f"A program learned from <strong>{len(study.split.folds)} cameras</strong> which pictures show {target}, and was tested on "
        f"<strong>{counted(len(study.split.test), 'other camera')}</strong> that it had never seen. In all there were {quantity(everything)} labelled "
        f"pictures of {cameras} cameras. The figures here are of the {quantity(test.frames)} test pictures, {quantity(test.targets)} of "
        f"which show {target}, and of the variant that was chosen, {escaped(study.chosen.variant.name)}."
    )
    kept = test.frames - test.below
    cards = [
        (
            percent(test.recall),
            f"of the {target} pictures are found",
            f"{quantity(test.confusion[1][1])} of {quantity(test.targets)}, with the threshold that was chosen to find {percent(study.recall)}",
        ),
        (
            percent(kept / test.frames),
            "of the pictures are left to look at",
            f"{quantity(kept)} of {quantity(test.frames)}"
            + (f"; {percent(test.precision)} of them show {target}" if kept else ""),
        ),
        (
            hours(test.hours),
            "hours saved per million pictures",
            f"out of {quantity(HOURS_PER_MILLION)} hours to sort them by hand",
        ),
        (
            number(test.auc),
            "area under the ROC curve",
            f"how often a {target} picture has a higher score than another picture; 0.5 is chance, 1 is perfect",
        ),
    ]
    boxes = "".join(
        f'<div class="card"><div class="value">{value}</div><p class="what">{what}</p><p class="why">{why}</p></div>'
        for value, what, why in cards
    )
    header = f"<header><h1>Pictures that show {target}</h1><p>{text}</p>{_doubt(study)}</header>"
    return f'{header}<div class="cards">{boxes}</div>\n'


def _doubt(study: Study) -> str:
    """Return a warning if the test is too small for its figures to say much, or if nothing was found."""
    shown = pc.filter(study.tested["sequence"], pc.equal(study.tested["target"], 1.0))
    visits, cameras = pc.count_distinct(shown).as_py(), len(study.split.test)
    target, found = escaped(study.target), study.chosen.test.confusion[1][1]
    told = []
    if visits < FEW_VISITS or cameras < FEW_CAMERAS:
        told.append(
            f"The {counted(cameras, 'test camera')} saw {target} on {counted(visits, 'visit')}. This is too little to say how well it "
            "works elsewhere: with other cameras, every figure here may be very different."
        )
    if not found:
        told.append(f"No {target} was found, so the hours saved are worth nothing.")
    return f'<p class="warning">{" ".join(told)}</p>' if told else ""


def _curves(study: Study) -> str:
    target = study.target
    names = [f"{escaped(o.variant.name)}, AUC {number(o.test.auc)}" for o in study.outcomes]
    roc = [Line(o.variant.name, o.test.curve, _at_threshold(o.test)) for o in study.outcomes]
    targets = study.tested["target"].to_numpy()
    work = [
        Line(
            o.variant.name,
            effort(targets, o.scores),
            ((o.test.frames - o.test.below) / o.test.frames, o.test.recall or 0.0),
        )
        for o in study.outcomes
    ]
    charts = chart(
        "ROC curves", "other pictures that are kept in vain", f"{target} pictures that are found", roc
    ) + chart("Effort and yield", "pictures that you look at", f"{target} pictures that you have found", work)
    return section(
        "How well the pictures are sorted",
        legend(names),
        f'<div class="charts">{charts}</div>',
        caption(
            "Every picture gets a score. Where you draw the line is your choice: further to the right you find more, and look at more. "
            "<b>ROC curves:</b> the closer a curve comes to the upper left corner, the better; the dotted diagonal is chance. <b>Effort and yield:</b> if you "
            "look at the pictures with the highest scores first, so much of what there is you have found by then. Each dot is the threshold "
            "that was chosen on the training cameras."
        ),
        lead="Five ways to score a picture, from the simplest to the best that was tried, on cameras that none of them has seen.",
    )


def _at_threshold(test: Figures) -> tuple[float, float] | None:
    others = sum(test.confusion[0])
    return None if test.recall is None or not others else (test.confusion[0][1] / others, test.recall)


def _named(study: Study, place: int) -> str:
    variant = study.outcomes[place].variant
    return (
        f'<span class="swatch c{place}"></span>{escaped(variant.name)}<small>{escaped(variant.title)}</small>'
    )


def _chosen(study: Study) -> int:
    return study.outcomes.index(study.chosen)


def _variants(study: Study) -> str:
    target = escaped(study.target)
    head = (
        "variant", "AUC", "average precision", "threshold", "recall", "precision", "macro F1", "AUC, training cameras",
    )  # fmt: skip
    rows = [
        (
            _named(study, place),
            *map(number, (o.test.auc, o.test.average_precision, o.test.threshold)),
            *map(percent, (o.test.recall, o.test.precision)),
            number(o.test.macro_f1),
            number(o.train.auc),
        )
        for place, o in enumerate(study.outcomes)
    ]
    base = study.chosen.test.targets / study.chosen.test.frames
    return section(
        "The variants in figures",
        table(head, rows, _chosen(study)),
        caption(
            f"<b>Recall:</b> the share of the {target} pictures that get a score from the threshold on. <b>Precision:</b> the share of such "
            f"pictures that do show {target}. <b>Average precision:</b> the mean of that share as you go down the list; a random order gives "
            f"{number(base)}, the share of {target} pictures. <b>Macro F1:</b> how well recall and precision agree, averaged over "
            f"{target} and everything else. <b>AUC, training cameras:</b> each training camera scored by a model that was trained without it. "
            "The shaded row is the variant that was chosen, by its average precision on the training cameras."
        ),
        lead=f"All figures are of the test cameras. The threshold was chosen on the training cameras so that {percent(study.recall)} of "
        f"their {target} pictures are found.",
    )


def _removals(study: Study) -> str:
    target = escaped(study.target)
    shares = [removal.share for removal in study.chosen.test.removals]
    head = (
        "variant",
        *(f"missed without the emptiest {share:.0%}" for share in shares),
        "below the threshold",
        "hours saved at the threshold",
    )
    rows = [
        (
            _named(study, place),
            *(
                f"{removal.missed:,}<small>{percent(removal.missed / max(o.test.targets, 1))} of {target}</small>"
                for removal in o.test.removals
            ),
            f"{percent(o.test.below / o.test.frames)}<small>{o.test.confusion[1][0]:,} missed</small>",
            f"{hours(o.test.hours)}<small>per million</small>",
        )
        for place, o in enumerate(study.outcomes)
    ]
    saved = ", ".join(f"{hours(r.hours)} hours for {r.share:.0%}" for r in study.chosen.test.removals)
    return section(
        "What it saves, and what it costs",
        table(head, rows, _chosen(study)),
        caption(
            f"Sorting a million pictures by hand takes about {quantity(HOURS_PER_MILLION)} hours. Removing the emptiest pictures saves {saved} "
            f"per million, whatever the variant; what differs is how many of the {quantity(study.chosen.test.targets)} {target} pictures are "
            "lost. Of pictures with equal scores, the first by file name are removed."
        ),
        lead=f"If you never look at the pictures with the lowest scores, you miss the {target} pictures among them.",
    )


def _matrices(study: Study) -> str:
    target = escaped(study.target)
    boxes = []
    for place, outcome in enumerate(study.outcomes):
        cells = []
        for row, (side, counts) in enumerate(
            zip((f"shows no {target}", f"shows {target}"), outcome.test.confusion, strict=True)
        ):
            cells.append(f'<div class="side">{side}</div>')
            for column, count in enumerate(counts):
                share = count / max(sum(counts), 1)
                kind = "right" if row == column else "wrong"
                cells.append(
                    f'<div class="cell {kind}" style="--p:{share:.3f}"><b>{percent(share)}</b>{quantity(count)}</div>'
                )
        boxes.append(
            f'<div class="card"><h3><span class="swatch c{place}"></span>{escaped(outcome.variant.name)}</h3><div class="matrix"><div></div>'
            f'<div class="head">removed</div><div class="head">kept</div>{"".join(cells)}</div></div>'
        )
    return section(
        "Right and wrong decisions",
        f'<div class="matrices">{"".join(boxes)}</div>',
        caption(
            f"Each row adds up to 100%. Green is right: {target} pictures that are kept, and others that are removed. Orange is wrong: lower "
            f"left the {target} pictures that you would never see, upper right the pictures that you would look at in vain."
        ),
        lead="At the threshold of each variant, pictures below it are removed and the others are kept for you to look at.",
    )
