"""Features from columns: assembly, selection, cleaning, indexing, conversion and summaries."""

from __future__ import annotations

from mmlrs._generated.featurize import CountSelector, CountSelectorModel, FastVectorAssembler

__all__ = ["CountSelector", "CountSelectorModel", "FastVectorAssembler"]
