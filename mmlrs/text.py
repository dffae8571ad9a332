"""Text: hashed features, n-grams, pages, replacement, normal forms, tokens and embeddings."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt

from mmlrs._generated import text as _generated
from mmlrs._generated.text import *  # noqa: F403 (a stage that is all native needs no line here)
from mmlrs._names import public
from mmlrs.errors import ModelLoadError

__all__ = ["TextFeaturizer", "TextFeaturizerModel"]
__all__ += _generated.__all__

__dir__ = public(globals())


class TextFeaturizer(_generated.TextFeaturizer):
    __doc__ = _generated.TextFeaturizer.__doc__
    __module__ = "mmlrs.text"

    def _fit_spark(self, df: Any) -> Any:
        """Fit in one job; where nothing is learnt, over no rows."""
        return super()._fit_spark(df if self._value("useIDF") else df.limit(0))


class TextFeaturizerModel(_generated.TextFeaturizerModel):
    __doc__ = _generated.TextFeaturizerModel.__doc__
    __module__ = "mmlrs.text"

    def _learnt(self) -> tuple[int, npt.NDArray[np.int64]] | None:
        """Return the number of texts and, for each slot, of those that have it where these are enough to count."""
        file = self._value("documentFrequencies")
        if file is None:
            return None
        try:
            learnt = json.loads(file.read())
            distances, documents = np.array(learnt["occurring"], np.int64).reshape(-1, 2).T
            counts = np.zeros(learnt["slots"], np.int64)
            counts[np.cumsum(distances)] = documents
            numbers = int(learnt["documents"])
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise ModelLoadError(
                f"TextFeaturizerModel: param `documentFrequencies`: cannot be read: {error}"
            ) from None
        counts[counts < self._value("minDocFreq")] = 0
        return numbers, counts

    @property
    def numDocs(self) -> int | None:
        """Number of texts of the fit; None where nothing was learnt."""
        learnt = self._learnt()
        return None if learnt is None else learnt[0]

    @property
    def docFreq(self) -> npt.NDArray[np.int64] | None:
        """For each slot the number of texts that have it, 0 below `minDocFreq`; None where nothing was learnt."""
        learnt = self._learnt()
        return None if learnt is None else learnt[1]

    @property
    def idf(self) -> npt.NDArray[np.float64] | None:
        """The weight of each slot; None where nothing was learnt."""
        learnt = self._learnt()
        if learnt is None:
            return None
        documents, counts = learnt
        weights: npt.NDArray[np.float64] = np.log((documents + 1.0) / (counts + 1.0))
        weights[counts < self._value("minDocFreq")] = 0.0
        return weights
