"""The base of the estimators of networks."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mmlrs import _native
from mmlrs._descriptors import stage_class, stage_spec
from mmlrs.ann._checkpoints import checkpoint_folder
from mmlrs.ann._driver import Outcome
from mmlrs.ann._labels import check_classes, check_values, levels_in
from mmlrs.ann._specification import columns_read, settings_of
from mmlrs.ann._weights import parameters_in
from mmlrs.base import Estimator
from mmlrs.engine.columns import Columns
from mmlrs.engine.training import FULL_BATCH, Specification
from mmlrs.errors import InvalidParamError, MmlrsError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["ClassifierMixin", "NetworkEstimator", "RegressorMixin", "Run"]


#: Trains on a dataset.
Run = Callable[[Specification, Any], Outcome]

#: Layers that a solver over all rows cannot train.
_NEED_BATCHES = {"dropout": "dropout", "batch_normalization": "batch normalization"}


class NetworkEstimator(Estimator[Any]):
    """An estimator that trains a network."""

    #: What the label column holds: "classes", "values", or "input" if there is none.
    _labels = "classes"
    #: The param that names the column of features.
    _features = "featuresCol"

    @abstractmethod
    def _description(self, dataset: Any, columns: Columns) -> dict[str, Any]:
        """Return the description of the network for a dataset."""

    @abstractmethod
    def _sized_by(self) -> str:
        """Return the words for what says how many outputs there are, for errors."""

    def _model_params(self, dataset: Any, columns: Columns) -> dict[str, Any]:
        """Return params of the model that the estimator does not have."""
        return {}

    def _settings(self) -> dict[str, Any]:
        """Return the settings of the training."""
        return settings_of(self)

    def _set(self, **kwargs: Any) -> Any:
        given = kwargs.get("initialWeights")
        if given is not None and self._labels != "input" and hasattr(given, "_encoder_network"):
            # Of an autoencoder, its encoder begins another network.
            kwargs["initialWeights"] = given._encoder_network()
        return super()._set(**kwargs)

    def _check_params(self) -> None:
        super()._check_params()
        settings_of(self)

    def _check_batches(self, kinds: set[str]) -> None:
        """Raise if the solver reads all rows in each step and a layer of these kinds needs batches."""
        for kind in sorted(kinds & set(_NEED_BATCHES)):
            if self._value("solver") in FULL_BATCH:
                raise InvalidParamError(
                    f'{self._stage}: {_NEED_BATCHES[kind]} needs batches; use solver="adam", "adamw" or "sgd"'
                )

    def _fit_table(self, table: pa.Table) -> Any:
        from mmlrs.ann._table import train_on_table

        return self._fitted(table, train_on_table)

    def _fit_spark(self, df: DataFrame) -> Any:
        from mmlrs.ann._spark import train_on_spark

        return self._fitted(df, partial(train_on_spark, workers=self._value("numWorkers")))

    def _fitted(self, dataset: Any, run: Run) -> Any:
        columns = Columns.of(dataset, self._stage)
        columns.resolve_all(self._columns("input"))
        columns.check_new(self._columns("output"))
        if self._labels == "classes":
            check_classes(self._stage, dataset, columns.resolve(self._value("labelCol")))
        outcome = self._train(dataset, columns, run)
        return self._model(outcome, self._model_params(dataset, columns))

    def _train(self, dataset: Any, columns: Columns, run: Run) -> Outcome:
        """Train the network on a dataset."""
        specification = self._specification(self._description(dataset, columns), columns)
        return run(self._started(specification), dataset)

    def _started(self, specification: Specification) -> Specification:
        """Return the training with the user's initial weights, if there are any."""
        given = self._value("initialWeights")
        return (
            specification
            if given is None
            else replace(specification, parameters=parameters_in(given, specification))
        )

    def _specification(
        self, description: dict[str, Any], columns: Columns, features: str | None = None
    ) -> Specification:
        """Return what the training needs; check what can be checked before any work. `features` is the column of features."""
        text = json.dumps(description)
        try:
            size = json.loads(_native.network_info(text))["parameters"]
        except MmlrsError as error:
            raise type(error)(f"{self._stage}: {error}") from None
        read = columns_read(self, columns.resolve, self._labels, self._sized_by())
        read["features"] = features or columns.resolve(self._value(self._features))
        settings = json.dumps(self._settings())
        return Specification(
            self._stage, text, settings, json.dumps(read), size=size, checkpoints=checkpoint_folder(self)
        )

    def _kept(self, columns: Columns) -> list[str]:
        """Return the columns that the training reads besides the features."""
        named = (self._value(param) for param in ("weightCol", "validationIndicatorCol"))
        return [columns.resolve(name) for name in named if name is not None]

    def _model(self, outcome: Outcome, params: dict[str, Any]) -> Any:
        spec = stage_spec(self._stage)
        model_class = stage_class(spec["model"])
        own = {param["name"] for param in spec["params"]}
        shared = [
            param["name"]
            for param in stage_spec(spec["model"])["params"]
            if param["name"] in own and param["name"] != "network"
        ]
        values = {name: self._value(name) for name in shared}
        model = model_class(**values, **params, network=outcome.network, trainingHistory=outcome.history())
        return model._resetUid(self.uid)


class ClassifierMixin(NetworkEstimator):
    """An estimator of a classifier."""

    @abstractmethod
    def _classes(self, dataset: Any, columns: Columns) -> int:
        """Return the number of classes."""

    def _class_loss(self, classes: int) -> dict[str, Any]:
        """Return the description of the loss, after checking the params with one number per class."""
        if classes < 2:
            raise InvalidParamError(
                f"{self._stage}: a classifier has at least two classes, but {self._sized_by()} says that there is {classes}"
            )
        for param in ("classWeights", "thresholds"):
            value = self._value(param)
            if value is not None and (len(value) != classes or any(number < 0 for number in value)):
                raise InvalidParamError(
                    f"{self._stage}: param `{param}` must have one number of at least 0 for each of {classes} classes, got {value}"
                )
            zeros = 0 if value is None else value.count(0)
            if zeros > (1 if param == "thresholds" else classes - 1):
                few = "more than one class" if param == "thresholds" else "all classes"
                raise InvalidParamError(
                    f"{self._stage}: param `{param}` must not be 0 for {few}, got {value}"
                )
        loss: dict[str, Any] = {"kind": "cross_entropy", "smoothing": self._value("labelSmoothing")}
        if self._value("classWeights") is not None:
            loss["class_weights"] = self._value("classWeights")
        return loss

    def _model_params(self, dataset: Any, columns: Columns) -> dict[str, Any]:
        levels = levels_in(dataset, columns.resolve(self._value("labelCol")))
        # Metadata of another number of levels is not that of the classes.
        fits = levels is not None and len(levels) == self._classes(dataset, columns)
        return {"labels": levels} if fits else {}


class RegressorMixin(NetworkEstimator):
    """An estimator that predicts numbers."""

    _labels = "values"

    def _value_loss(self, dataset: Any, columns: Columns, outputs: int) -> dict[str, Any]:
        """Return the description of the loss, after checking that the labels may be those of a number of outputs."""
        check_values(self, dataset, columns.resolve(self._value("labelCol")), outputs)
        loss = self._value("loss")
        if loss == "huber":
            return {"kind": "huber", "delta": self._value("huberDelta")}
        return {"kind": "sigmoid_cross_entropy" if loss == "sigmoid" else "squared_error"}
