"""Features from columns: assembly, selection, cleaning, indexing, conversion and summaries."""

from __future__ import annotations

from typing import Any

from mmlrs._generated import featurize as _generated
from mmlrs._generated.featurize import CountSelector, CountSelectorModel, Featurize, FeaturizeModel

__all__ = ["CountSelector", "CountSelectorModel", "FastVectorAssembler", "Featurize", "FeaturizeModel"]


class FastVectorAssembler(_generated.FastVectorAssembler):
    __doc__ = _generated.FastVectorAssembler.__doc__
    __module__ = "mmlrs.featurize"

    def _transform_spark(self, df: Any) -> Any:
        from mmlrs.engine.assemble import assemble_in_jvm

        made = assemble_in_jvm(self, df)
        return super()._transform_spark(df) if made is None else made
