"""Figures are drawn without a display, and closed after each test."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib as mpl
import pytest


@pytest.fixture(autouse=True)
def _closed_figures() -> Iterator[None]:
    before = mpl.get_backend()
    mpl.use("Agg")
    settings = dict(mpl.rcParams)
    import matplotlib.pyplot as plt

    yield
    plt.close("all")
    assert dict(mpl.rcParams) == settings, "a plot changed the settings of matplotlib"
    mpl.use(before)
