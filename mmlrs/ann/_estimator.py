"""The base of the estimators of networks."""

from __future__ import annotations

import json
from abc import abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mmlrs import _native
from mmlrs._descriptors import stage_class, stage_spec
from mmlrs.ann._checkpoints import checkpoint_folder
from mmlrs.ann._driver import Outcome
from mmlrs.ann._labels import check_classes
from mmlrs.ann._specification import Specification, columns_read, settings_of
from mmlrs.ann._weights import parameters_in, parameters_of
from mmlrs.base import Estimator
from mmlrs.engine.columns import Columns

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["NetworkEstimator"]


class NetworkEstimator(Estimator[Any]):
    """An estimator that trains a network."""

    #: What the label column holds: "classes", "values", or "input" if there is none.
    _labels = "classes"

    @abstractmethod
    def _description(self, dataset: Any, columns: Columns) -> dict[str, Any]:
        """Return the description of the network for a dataset."""

    def _model_params(self, dataset: Any, columns: Columns) -> dict[str, Any]:
        """Return params of the model that the estimator does not have."""
        return {}

    def _set(self, **kwargs: Any) -> Any:
        if kwargs.get("initialWeights") is not None:
            kwargs["initialWeights"] = parameters_of(self._stage, kwargs["initialWeights"])
        return super()._set(**kwargs)

    def _fit_table(self, table: pa.Table) -> Any:
        from mmlrs.ann._table import train_on_table

        return self._fitted(table, train_on_table)

    def _fit_spark(self, df: DataFrame) -> Any:
        from mmlrs.ann._spark import train_on_spark

        workers = self._value("numWorkers")
        return self._fitted(df, partial(train_on_spark, workers=workers))

    def _fitted(self, dataset: Any, run: Any) -> Any:
        columns = Columns.of(dataset, self._stage)
        columns.check_new(self._columns("output"))
        if self._labels == "classes":
            check_classes(self._stage, dataset, columns.resolve(self._value("labelCol")))
        description = self._description(dataset, columns)
        specification = self._specification(description, columns)
        outcome: Outcome = run(specification, dataset)
        return self._model(outcome, self._model_params(dataset, columns))

    def _specification(self, description: dict[str, Any], columns: Columns) -> Specification:
        """Return what the training needs; check what can be checked before any work."""
        settings = settings_of(self)
        text = json.dumps(description)
        count = json.loads(_native.network_info(text))["parameters"]
        given = self._value("initialWeights")
        parameters = None if given is None else parameters_in(self._stage, given, count)
        read = columns_read(self, columns.resolve, self._labels, self._sized_by())
        return Specification(
            self._stage, text, json.dumps(settings), json.dumps(read), parameters, checkpoint_folder(self)
        )

    def _sized_by(self) -> str:
        """Return the words for what says how many outputs there are, for errors."""
        return "param `layers`"

    def _model(self, outcome: Outcome, params: dict[str, Any]) -> Any:
        spec = stage_spec(self._stage)
        model_class = stage_class(spec["model"])
        own = {param["name"] for param in spec["params"]}
        shared = [
            param["name"]
            for param in stage_spec(spec["model"])["params"]
            if param["name"] in own and param["name"] != "handleInvalid"
        ]
        values = {name: self._value(name) for name in shared}
        history = json.dumps({"finish": outcome.finish, "lines": outcome.lines})
        model = model_class(**values, **params, network=outcome.network, trainingHistory=history)
        return model._resetUid(self.uid)
