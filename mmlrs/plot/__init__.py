"""Plots of pictures, predictions, models and searches, with matplotlib (the extra `plot`).

Every function draws on the axes that it is given, or on a new figure, and returns them. None shows a figure, and none changes
the backend or the settings of matplotlib.
"""

from __future__ import annotations

from mmlrs._names import public
from mmlrs.plot.calibration import plot_calibration
from mmlrs.plot.confusion import plot_confusion_matrix
from mmlrs.plot.images import show_images
from mmlrs.plot.importances import plot_importances
from mmlrs.plot.precision_recall import plot_precision_recall
from mmlrs.plot.residuals import plot_residuals
from mmlrs.plot.roc import plot_roc
from mmlrs.plot.training import plot_training
from mmlrs.plot.trials import plot_trials
from mmlrs.plot.workers import plot_workers

__all__ = [
    "plot_calibration",
    "plot_confusion_matrix",
    "plot_importances",
    "plot_precision_recall",
    "plot_residuals",
    "plot_roc",
    "plot_training",
    "plot_trials",
    "plot_workers",
    "show_images",
]

__dir__ = public(globals())
