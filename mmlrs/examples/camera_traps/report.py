"""The report of a study: one HTML file that needs nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmlrs.examples.camera_traps.page import document, escaped, section

if TYPE_CHECKING:
    from mmlrs.examples.camera_traps.study import Study

__all__ = ["report_of"]


def report_of(study: Study) -> str:
    """Return the HTML text of the report."""
    title = f"Finding {study.target} in camera-trap pictures"
    rows = "".join(f"<p>{escaped(o.variant.name)} {o.test.auc}</p>" for o in study.outcomes)
    return document(title, section("Variants", rows))
