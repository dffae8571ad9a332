"""Training a learner of Spark ML or mmlrs on raw columns."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa

from mmlrs._generated import train as _generated
from mmlrs.base import Estimator, PythonModel
from mmlrs.engine.bridge import added_by, through_spark, with_metadata
from mmlrs.engine.datasets import ignores_case
from mmlrs.engine.expr import resolve, resolve_all
from mmlrs.errors import DecodeError, InvalidParamError, SchemaMismatchError
from mmlrs.featurize import Featurize, ValueIndexer, ValueIndexerModel
from mmlrs.train.scored import METADATA

__all__ = ["TrainClassifier", "TrainRegressor", "TrainedClassifierModel", "TrainedRegressorModel"]

#: Learners of two classes alone.
_BINARY = ("GBTClassifier", "LinearSVC", "FMClassifier")
#: Slots for the words of a text column, for learners that look at every slot again and again.
_FEW_FEATURES = 4096


@dataclass(frozen=True)
class Prepared:
    """How the rows of a dataset become what a learner reads."""

    #: Adds the label as a number; rows without one fail or go.
    index: Callable[[Any], Any]
    featurizer: Any
    #: The user's label column, and that of its numbers.
    label: str
    target: str
    weight: str | None
    #: The labels in the order of their numbers, unless the data hold the numbers.
    labels: list[Any] | None = None
    #: Returns the number of classes of a frame.
    classes: Callable[[Any], int] | None = None

    def transform(self, df: Any) -> Any:
        """Add the label's number and the features."""
        return self.featurizer.transform(self.index(df))

    def columns(self) -> list[str]:
        """Return the columns that a learner reads."""
        read = [self.featurizer.getOutputCol(), self.target]
        return read if self.weight is None else [*read, self.weight]


class Trainer(Estimator):
    """What both trainers do."""

    _kind: str

    def _fit_table(self, table: pa.Table) -> Any:
        return through_spark(self, table, self._fit_spark)

    def _fit_spark(self, df: Any) -> Any:
        from mmlrs.engine import spark

        prepared = self._prepare(df)
        frame = prepared.transform(df)
        frame = frame.select(*[spark.quoted(name) for name in prepared.columns()]).persist()
        try:
            fitted = self._fit_learner(prepared, frame)
        finally:
            frame.unpersist()
        return self._model(prepared, fitted)._resetUid(self.uid)

    def _prepare(self, df: Any, whole: Any = None) -> Prepared:
        """Fit what makes features and numbers of labels; the labels are those of `whole`, if given."""
        raise NotImplementedError

    def _fit_learner(self, prepared: Prepared, frame: Any) -> Any:
        """Fit the learner on a frame that has been prepared."""
        return self._ready(frame, prepared.target, prepared.weight).fit(frame)

    def _model(self, prepared: Prepared, fitted: Any) -> Any:
        raise NotImplementedError

    def _target(self) -> str:
        """Return the name of the column of the label's numbers; it is there while training alone."""
        return f"{self._value('featuresCol')}_label"

    def _learner(self) -> Any:
        """Return the learner, which must be an estimator."""
        learner = self._value("model")
        if not hasattr(learner, "fit"):
            raise InvalidParamError(
                f"{self._stage}: param `model` must be an estimator, got a {type(learner).__name__}"
            )
        return learner

    def _names(self, df: Any) -> tuple[str, list[str], str | None]:
        """Return the columns of labels, of inputs and of weights, as the DataFrame spells them."""
        label = resolve(self._value("labelCol"), df.columns, self._stage, ignore_case=ignores_case(df))
        learner = self._learner()
        weight = _optional(learner, "weightCol")
        if weight is not None:
            weight = resolve(weight, df.columns, self._stage, ignore_case=ignores_case(df))
        inputs = self._value("inputCols")
        if inputs is None:
            inputs = [name for name in df.columns if name not in (label, weight)]
        inputs = resolve_all(inputs, df.columns, self._stage, ignore_case=ignores_case(df))
        if label in inputs:
            raise InvalidParamError(f"{self._stage}: param `inputCols` must not name the label, `{label}`")
        if not inputs:
            raise SchemaMismatchError(
                f"{self._stage}: there is no column to learn from beside the label `{label}`"
            )
        return label, inputs, weight

    def _featurize(self) -> Featurize:
        """Return what makes the features, as suits the learner; its columns are still open."""
        learner = self._learner()
        trees = learner.hasParam("maxBins")
        few = trees or learner.hasParam("layers")
        made = Featurize(outputCol=self._value("featuresCol"), oneHotEncodeCategoricals=not trees)
        number = self._value("numFeatures") or (_FEW_FEATURES if few else made.getNumFeatures())
        return made.setNumFeatures(number)

    def _featurizer(self, df: Any, inputs: list[str]) -> Any:
        """Fit what makes the features."""
        return self._featurize().setInputCols(inputs).fit(df)

    def _features_key(self) -> str:
        """Return what decides how features and numbers of labels are made: equal keys, equal features."""
        own = {p.name: self._value(p.name) for p in self.params if p.name != "model"}
        made = self._featurize()
        facts = [
            made.getOneHotEncodeCategoricals(),
            made.getNumFeatures(),
            _optional(self._learner(), "weightCol"),
        ]
        return json.dumps([self._stage, own, facts], sort_keys=True)

    def _ready(self, frame: Any, label: str, weight: str | None) -> Any:
        """Return a copy of the learner that reads the features and the label, with the sizes that follow from them."""
        learner = self._learner().copy()
        features = self._value("featuresCol")
        learner._set(featuresCol=features, labelCol=label)
        if weight is not None:
            learner._set(weightCol=weight)
        if learner.hasParam("maxBins") and not learner.isSet("maxBins"):
            most = max(_sizes_of_categories(frame, features), default=0)
            learner._set(maxBins=max(learner.getOrDefault("maxBins"), most))
        return learner


def _optional(stage: Any, param: str) -> Any:
    """Return the value of a param that not every stage has; None when unset."""
    if not stage.hasParam(param) or not stage.isDefined(param):
        return None
    return stage.getOrDefault(param) or None


def _sizes_of_categories(frame: Any, features: str) -> list[int]:
    """Return the number of levels of every slot that holds the index of a category."""
    group = frame.schema[features].metadata.get("ml_attr", {})
    return [len(a.get("vals", ())) or a.get("num_vals", 0) for a in group.get("attrs", {}).get("nominal", [])]


class TrainClassifier(_generated.TrainClassifier, Trainer):
    __doc__ = _generated.TrainClassifier.__doc__
    __module__ = "mmlrs.train"
    _kind = "classification"

    def _prepare(self, df: Any, whole: Any = None) -> Prepared:
        label, inputs, weight = self._names(df)
        index, labels, classes = self._indexed(df if whole is None else whole, label)
        featurizer = self._featurizer(index(df), inputs)
        return Prepared(index, featurizer, label, self._target(), weight, labels, classes)

    def _fit_learner(self, prepared: Prepared, frame: Any) -> Any:
        assert prepared.classes is not None
        learner = self._ready(frame, prepared.target, prepared.weight)
        if learner.hasParam("layers"):
            learner._set(layers=self._layers(learner, frame, prepared.classes(frame)))
        elif type(learner).__name__ in _BINARY and prepared.classes(frame) > 2:
            learner = _one_vs_rest(learner, prepared.weight)
        return learner.fit(frame)

    def _model(self, prepared: Prepared, fitted: Any) -> Any:
        return TrainedClassifierModel(
            featurizer=prepared.featurizer, model=fitted, labelCol=prepared.label, labels=prepared.labels
        )

    def _layers(self, learner: Any, frame: Any, classes: int) -> list[int]:
        """Return the sizes of a perceptron's layers; the user's own list stays as it is."""
        features = self._value("featuresCol")
        width = frame.schema[features].metadata["ml_attr"]["num_attrs"]
        inner = learner.getLayers()[1:-1] if learner.isDefined("layers") else []
        return [width, *inner, classes]

    def _indexed(
        self, df: Any, label: str
    ) -> tuple[Callable[[Any], Any], list[Any] | None, Callable[[Any], int]]:
        """Return what adds the numbers of the classes, the labels, and what tells the number of classes."""
        from pyspark.sql import functions as F

        from mmlrs.engine import spark

        target = self._target()
        nominal = df.schema[label].metadata.get("ml_attr", {}).get("vals")
        labels = self._value("labels")
        if nominal is not None and labels is not None:
            raise InvalidParamError(
                f"{self._stage}: param `labels` must not be set: the column `{label}` has nominal attributes that tell them"
            )
        if nominal is not None or not self._value("reindexLabel"):
            numbers = partial(_numbers, self, label=label, output=target)
            if nominal is not None:
                return numbers, None, lambda _: len(nominal)
            return numbers, None, lambda frame: int(frame.agg(F.max(target)).first()[0] or 0) + 1
        policy = self._value("handleInvalid")
        params = {"inputCol": label, "outputCol": target, "handleInvalid": policy}
        if labels is None:
            there = df.where(F.col(spark.quoted(label)).isNotNull()) if policy == "skip" else df
            indexer = ValueIndexer(**params).fit(there)
            labels = indexer.getLevels()
        else:
            indexer = ValueIndexerModel(**params, levels=labels)
        if len(labels) < 2:
            found = f"one class only, {labels[0]!r}" if labels else "no value"
            raise DecodeError(
                f"{self._stage}: column `{label}`: has {found}; a classifier needs two classes at least"
            )
        return indexer.transform, labels, lambda _: len(labels)


def _one_vs_rest(learner: Any, weight: str | None) -> Any:
    from pyspark.ml.classification import OneVsRest

    made = OneVsRest(classifier=learner, featuresCol=learner.getFeaturesCol(), labelCol=learner.getLabelCol())
    return made if weight is None else made.setWeightCol(weight)


def _numbers(stage: Any, df: Any, label: str, output: str) -> Any:
    """Add a label column of numbers or booleans as doubles; rows without a label fail or go."""
    from pyspark.sql import functions as F
    from pyspark.sql.types import BooleanType, NumericType

    from mmlrs.engine import spark

    kind = df.schema[label].dataType
    if not isinstance(kind, NumericType | BooleanType):
        raise SchemaMismatchError(
            f"{stage._stage}: column `{label}`: has type {kind.simpleString()}; the label must be a number or a boolean; "
            "DataConversion makes one of it"
        )
    number = F.col(spark.quoted(label)).cast("double")
    missing = number.isNull() | F.isnan(number)
    if stage._value("handleInvalid") == "skip":
        return df.where(~missing).withColumn(output, number)
    cause = F.raise_error(F.lit(f"{stage._stage}: column `{label}`: is null or NaN"))
    return df.withColumn(output, F.when(missing, cause.cast("double")).otherwise(number))


class TrainRegressor(_generated.TrainRegressor, Trainer):
    __doc__ = _generated.TrainRegressor.__doc__
    __module__ = "mmlrs.train"
    _kind = "regression"

    def _prepare(self, df: Any, whole: Any = None) -> Prepared:
        label, inputs, weight = self._names(df)
        index = partial(_numbers, self, label=label, output=self._target())
        return Prepared(index, self._featurizer(index(df), inputs), label, self._target(), weight)

    def _model(self, prepared: Prepared, fitted: Any) -> Any:
        return TrainedRegressorModel(featurizer=prepared.featurizer, model=fitted, labelCol=prepared.label)


class _Trained(PythonModel):
    """What both kinds of trained models do."""

    _kind: str

    def _transform_table(self, table: pa.Table) -> pa.Table:
        featurizer, model = self._value("featurizer"), self._value("model")
        if type(model).__module__.startswith("mmlrs."):
            made = model.transform(featurizer.transform(table))
            made = made.drop_columns([featurizer.getOutputCol()])
            return with_metadata(made, self._marks(made.column_names, table.column_names))
        return added_by(self, table, self._transform_spark)

    def _transform_spark(self, df: Any) -> Any:
        from mmlrs.engine import spark

        featurizer, model = self._value("featurizer"), self._value("model")
        made = model.transform(featurizer.transform(df))
        lineage = spark.lineage_of(made)
        made = made.drop(featurizer.getOutputCol())
        for name, metadata in self._marks(made.columns, df.columns).items():
            made = made.withMetadata(name, {**made.schema[name].metadata, **metadata})
        return spark.with_lineage(made, {n: e for n, e in lineage.items() if n in df.columns})

    def _marks(self, columns: list[str], before: list[str]) -> dict[str, dict[str, Any]]:
        """Return the metadata of the label and of the columns that the learner added."""
        model, made = self._value("model"), {}
        for role in ("prediction", "probability", "rawPrediction"):
            name = _optional(model, f"{role}Col") or role
            if name in columns and name not in before:
                made[name] = self._mark(role, name)
        if self._value("labelCol") in columns:
            made[self._value("labelCol")] = self._mark("label", self._value("labelCol"))
        return made

    def _mark(self, role: str, name: str) -> dict[str, Any]:
        return {METADATA: {"role": role, "kind": self._kind, "model": self.uid}}


class TrainedClassifierModel(_generated.TrainedClassifierModel, _Trained):
    __doc__ = _generated.TrainedClassifierModel.__doc__
    __module__ = "mmlrs.train"
    _kind = "classification"

    def _mark(self, role: str, name: str) -> dict[str, Any]:
        labels = self._value("labels")
        made = super()._mark(role, name)
        if labels is not None:
            made[METADATA]["labels"] = list(labels)
            if role == "prediction":
                texts = [label if isinstance(label, str) else json.dumps(label) for label in labels]
                origin = {"type": _type_of(labels), "levels": len(labels)}
                made["ml_attr"] = {"type": "nominal", "name": name, "vals": texts, "mmlrs": origin}
        return made


def _type_of(labels: list[Any]) -> str:
    """Return the type of labels by the name that `IndexToValue` knows."""
    for kind, name in ((bool, "boolean"), (int, "long"), (float, "double")):
        if all(isinstance(label, kind) for label in labels):
            return name
    return "string"


class TrainedRegressorModel(_generated.TrainedRegressorModel, _Trained):
    __doc__ = _generated.TrainedRegressorModel.__doc__
    __module__ = "mmlrs.train"
    _kind = "regression"
