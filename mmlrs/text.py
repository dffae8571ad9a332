"""Turn text into hashed features, n-grams, pages, normal forms, tokens and embeddings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mmlrs._generated import text as _generated
from mmlrs._generated.text import *  # noqa: F403 (purely native stages need no line here)
from mmlrs._names import public
from mmlrs._typing import Self
from mmlrs.base import NativeTransformer
from mmlrs.errors import InvalidParamError, ModelLoadError
from mmlrs.models import ModelHandle

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["TextClassifier", "TextEmbedder", "TextFeaturizer", "TextFeaturizerModel"]
__all__ += _generated.__all__

__dir__ = public(globals())

#: Name of the model of texts that is used by default.
_DEFAULT = "minilm"


class TextFeaturizer(_generated.TextFeaturizer):
    __doc__ = _generated.TextFeaturizer.__doc__
    __module__ = "mmlrs.text"

    def _fit_spark(self, df: DataFrame) -> Any:
        """Fit in one job, over no rows if there is nothing to learn."""
        return super()._fit_spark(df if self._value("useIDF") else df.limit(0))


class _ReadsTokens(NativeTransformer):
    """A stage with a model of texts and the model's tokenizer."""

    def _own_defaults(self) -> dict[str, Any]:
        return {
            "model": ModelHandle(name=_DEFAULT),
            "tokenizer": ModelHandle(name=_DEFAULT, part="tokenizer"),
        }

    def _set(self, **kwargs: Any) -> Self:
        follows = self._tokenizer_follows()
        super()._set(**kwargs)
        if "model" in kwargs and kwargs.get("tokenizer") is None and follows:
            self._follow()
        return self

    def copy(self, extra: Mapping[Any, Any] | None = None) -> Self:
        """Return a copy with the same uid and some params changed; a named model brings its tokenizer."""
        copy = super().copy(extra)
        changed = copy._value("model") != self._value("model")
        if changed and copy._value("tokenizer") == self._value("tokenizer") and self._tokenizer_follows():
            copy._follow()
        return copy

    def _tokenizer_follows(self) -> bool:
        """Return whether the tokenizer is that of the model, because none of its own has been set."""
        model, tokenizer = self._value("model"), self._value("tokenizer")
        return not self.isSet("tokenizer") or (tokenizer.name is not None and tokenizer == model.tokenizer)

    def _follow(self) -> None:
        """Set the tokenizer to that of the model, or to none if the model has no name."""
        param, own = self.getParam("tokenizer"), self._value("model").tokenizer
        self._paramMap.pop(param, None)
        if not self.isSet("model"):
            self._setDefault(**self._own_defaults())
        elif own is not None:
            self._paramMap[param] = own
        else:
            self._defaultParamMap.pop(param, None)

    def _params_json(self) -> str:
        if self.isSet("tokenizer") and not self.isSet("model") and not self._tokenizer_follows():
            raise InvalidParamError(
                f"{self._stage}: param `model` must be set together with `tokenizer`: every model has its own"
            )
        if self._value("tokenizer") is None:
            raise InvalidParamError(
                f"{self._stage}: param `tokenizer` must be set, because `model` is set: every model has its own"
            )
        return super()._params_json()


class TextClassifier(_ReadsTokens, _generated.TextClassifier):
    __doc__ = _generated.TextClassifier.__doc__
    __module__ = "mmlrs.text"


class TextEmbedder(_ReadsTokens, _generated.TextEmbedder):
    __doc__ = _generated.TextEmbedder.__doc__
    __module__ = "mmlrs.text"


class TextFeaturizerModel(_generated.TextFeaturizerModel):
    __doc__ = _generated.TextFeaturizerModel.__doc__
    __module__ = "mmlrs.text"

    def _frequencies(self) -> tuple[int, npt.NDArray[np.int64]] | None:
        """Return the number of documents, and per slot the number of documents that contain it, 0 below `minDocFreq`."""
        file = self._value("documentFrequencies")
        if file is None:
            return None
        try:
            stored = json.loads(file.read())
            distances, documents = np.array(stored["occurring"], np.int64).reshape(-1, 2).T
            counts = np.zeros(stored["slots"], np.int64)
            counts[np.cumsum(distances)] = documents
            total = int(stored["documents"])
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise ModelLoadError(
                f"TextFeaturizerModel: param `documentFrequencies`: cannot be read: {error}"
            ) from None
        counts[counts < self._value("minDocFreq")] = 0
        return total, counts

    @property
    def numDocs(self) -> int | None:
        """Number of documents that the model was fitted on, or None if `useIDF` was false."""
        frequencies = self._frequencies()
        return None if frequencies is None else frequencies[0]

    @property
    def docFreq(self) -> npt.NDArray[np.int64] | None:
        """Number of documents that contain each slot, as int64 of shape (numFeatures,), or None if `useIDF` was false.

        It is 0 for slots below `minDocFreq`.
        """
        frequencies = self._frequencies()
        return None if frequencies is None else frequencies[1]

    @property
    def idf(self) -> npt.NDArray[np.float64] | None:
        """Weight of each slot, as float64 of shape (numFeatures,), or None if `useIDF` was false.

        The weight is log((numDocs + 1) / (docFreq + 1)), and 0 for slots below `minDocFreq`.
        """
        frequencies = self._frequencies()
        if frequencies is None:
            return None
        documents, counts = frequencies
        weights: npt.NDArray[np.float64] = np.log((documents + 1.0) / (counts + 1.0))
        weights[counts < self._value("minDocFreq")] = 0.0
        return weights
