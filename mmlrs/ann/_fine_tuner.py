"""Trains new last layers for trained networks."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mmlrs._generated import ann as _generated
from mmlrs.ann._backbone import Backbone, kind_of
from mmlrs.ann._classes import classes_of
from mmlrs.ann._driver import Outcome
from mmlrs.ann._estimator import ClassifierMixin, Run
from mmlrs.ann._fine_tuned import FineTunedModel
from mmlrs.ann._labels import levels_in, size_in
from mmlrs.ann._merge import Head, merged
from mmlrs.ann._onnx import label_texts
from mmlrs.compiled._onnx_graph import onnx_package
from mmlrs.engine.callers import reworded
from mmlrs.engine.columns import Columns
from mmlrs.errors import InvalidParamError

if TYPE_CHECKING:
    from mmlrs.models import ModelHandle

__all__ = ["DeepTextClassifier", "DeepVisionClassifier", "FineTuner"]


#: Params that the model has from the estimator.
_SHARED = (
    "predictionCol",
    "rawPredictionCol",
    "probabilityCol",
    "predictedLabelCol",
    "thresholds",
    "handleInvalid",
)


class TunesHead(ClassifierMixin):
    """An estimator that trains a head on the features of a network."""

    #: The params that name the column to read, and the network.
    _input_param, _network_param = "inputCol", "model"
    #: What the network reads; None if the column says it.
    _kind: str | None = None

    def _set(self, **kwargs: Any) -> Any:
        if isinstance(kwargs.get("initialWeights"), FineTunedModel):
            kwargs["initialWeights"] = kwargs["initialWeights"].weights
        return super()._set(**kwargs)

    def _check_params(self) -> None:
        super()._check_params()
        sizes = self._value("hiddenLayers") or []
        if any(size < 1 for size in sizes):
            raise InvalidParamError(
                f"{self._stage}: param `hiddenLayers` must have numbers of at least 1, got {sizes}"
            )
        self._check_batches({"dropout"} if self._value("dropout") > 0 else set())

    def _sized_by(self) -> str:
        return f"column `{self._value('labelCol')}`"

    @property
    def _added(self) -> tuple[str, str]:
        """The columns of features and of numbers of classes, which rows have when the head is trained."""
        return f"{self.uid}_features", f"{self.uid}_classes"

    def _description(self, dataset: Any, columns: Columns) -> dict[str, Any]:
        rate = self._value("dropout")
        dropout = [{"kind": "dropout", "rate": rate}] if rate > 0 else []
        layers: list[dict[str, Any]] = [*dropout]
        for width in self._value("hiddenLayers") or []:
            layers += [{"kind": "dense", "size": width}, {"kind": self._value("activation")}, *dropout]
        classes = self._classes(dataset, columns)
        layers.append({"kind": "dense", "size": classes})
        size = size_in(self, dataset, self._added[0])
        return {"version": 1, "input": [size], "layers": layers, "loss": self._class_loss(classes)}

    def _classes(self, dataset: Any, columns: Columns) -> int:
        return len(levels_in(dataset, self._added[1]) or [])

    def _tokenizer(self) -> ModelHandle | None:
        """Return the tokenizer of a network that reads texts, or None."""
        tokenizer: ModelHandle | None = self._value(self._network_param).tokenizer
        return tokenizer

    def _backbone(self, dataset: Any, column: str) -> Backbone:
        kind = self._kind or kind_of(dataset, column)
        found = Backbone(self, self._network_param, kind, self._tokenizer() if kind == "text" else None)
        found.check(column)
        return found

    def _fitted(self, dataset: Any, run: Run) -> Any:
        onnx_package(self._stage)
        columns = Columns.of(dataset, self._stage)
        columns.resolve_all(self._columns("input"))
        columns.check_new(self._columns("output"))
        column, label = (columns.resolve(self._value(name)) for name in (self._input_param, "labelCol"))
        backbone = self._backbone(dataset, column)
        backbone.check_padding()  # Wrong params are errors before a row is read.
        features, numbers = self._added
        rows = _selected(dataset, [column, label, *self._kept(columns)])
        rows, labels = classes_of(self, rows, label, numbers)
        rows = backbone.features(rows, column, features, self._value("handleInvalid"))
        words = (
            (f"column `{features}`", f"the features of column `{column}`"),
            (f"column `{numbers}`", f"column `{label}`"),
        )
        with reworded(*words):
            specification = self._started(
                self._specification(self._description(rows, columns), columns, features)
            )
            read = json.loads(specification.columns) | {"label": numbers}
            outcome = run(replace(specification, columns=json.dumps(read)), rows)
        return self._tuned(backbone, labels, outcome)

    def _tuned(self, backbone: Backbone, labels: list[Any], outcome: Outcome) -> FineTunedModel:
        """Return the model of a trained head."""
        head = Head(
            outcome.network,
            backbone.tensor,
            backbone.kind,
            backbone.is_pooled,
            label_texts(labels),
            self._value("thresholds"),
        )
        params: dict[str, Any] = {name: self._value(name) for name in _SHARED}
        params |= {"inputKind": backbone.kind, "tokenizer": backbone.tokenizer, "labels": labels}
        model = FineTunedModel(
            **params,
            inputCol=self._value(self._input_param),
            model=merged(self._stage, backbone.model, head),
            trainingHistory=outcome.history(),
        )
        return model._resetUid(self.uid)


def _selected(dataset: Any, names: list[str]) -> Any:
    """Return some columns of a dataset, and on Spark those that they are computed from."""
    names = list(dict.fromkeys(names))
    if isinstance(dataset, pa.Table):
        return dataset.select(names)
    from mmlrs.engine import spark
    from mmlrs.engine.expr import sources_of

    lineage = {name: value for name, value in spark.lineage_of(dataset).items() if name in names}
    # Stages read the columns that the lineage starts from, not those that it computes.
    sources = {source for value in lineage.values() for source in sources_of(value)}
    return spark.with_lineage(
        dataset.select(*map(spark.quoted, [*names, *sorted(sources - set(names))])), lineage
    )


class FineTuner(TunesHead, _generated.FineTuner):
    __doc__ = _generated.FineTuner.__doc__
    __module__ = "mmlrs.ann"


class DeepVisionClassifier(TunesHead, _generated.DeepVisionClassifier):
    __doc__ = _generated.DeepVisionClassifier.__doc__
    __module__ = "mmlrs.ann"
    _input_param, _network_param, _kind = "imageCol", "backbone", "image"

    def _own_defaults(self) -> dict[str, Any]:
        from mmlrs.image import ImageFeaturizer

        return {"backbone": ImageFeaturizer().getModel()}


class DeepTextClassifier(TunesHead, _generated.DeepTextClassifier):
    __doc__ = _generated.DeepTextClassifier.__doc__
    __module__ = "mmlrs.ann"
    _input_param, _network_param, _kind = "textCol", "backbone", "text"

    def _own_defaults(self) -> dict[str, Any]:
        from mmlrs.text import TextEmbedder

        return {"backbone": TextEmbedder().getModel()}

    def _tokenizer(self) -> ModelHandle | None:
        return self._value("tokenizer") or super()._tokenizer()
