"""Train a learner of Spark ML or mmlrs on raw columns."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mmlrs._generated import train as _generated
from mmlrs.base import Estimator, PythonModel
from mmlrs.engine.bridge import added_by, through_spark, with_metadata
from mmlrs.engine.callers import reworded
from mmlrs.engine.columns import Columns
from mmlrs.engine.expr import plain
from mmlrs.errors import DecodeError, InvalidParamError, MmlrsError, SchemaMismatchError
from mmlrs.featurize import Featurize
from mmlrs.stages import RenameColumn
from mmlrs.train.kinds import check_learner, inside, predictor, refuse_foreign, value_of
from mmlrs.train.labels import class_labels, number_label
from mmlrs.train.predicted import with_labels_in_table, with_labels_on_spark
from mmlrs.train.scored import METADATA, levels_of
from mmlrs.train.wiring import (
    Wires,
    check_added,
    inner_name,
    leaves,
    of_many,
    other_inputs,
    other_names,
    outputs_of,
    wired,
)

if TYPE_CHECKING:
    from pyspark.ml.classification import MultilayerPerceptronClassifier
    from pyspark.sql import DataFrame


__all__ = ["TrainClassifier", "TrainRegressor", "TrainedClassifierModel", "TrainedRegressorModel"]

#: Number of slots for the words of a text column, for learners that visit every slot repeatedly.
_FEW_FEATURES = 4096
_ROLES = ("prediction", "probability", "rawPrediction")


@dataclass(frozen=True)
class Prepared:
    """The fitted preparation of a dataset for a learner."""

    #: Adds the label as a number. Rows without a label raise or are dropped.
    index: Callable[[Any], Any]
    featurizer: Any
    #: The user's label column, and the column of its numbers.
    label: str
    target: str
    #: The names for the learner of the other columns that it reads, by the user's name.
    others: dict[str, str] = field(default_factory=dict)
    #: The labels in the order of their numbers, or None if the data hold numbers.
    labels: list[Any] | None = None
    #: Returns the number of classes of a frame.
    classes: Callable[[Any], int] | None = None
    #: The names of the classes if the label column holds their numbers and has nominal attributes.
    names: list[str] | None = None

    def transform(self, df: DataFrame) -> Any:
        """Add the number of the label, the features, and the other columns under the names for the learner."""
        from pyspark.sql import functions as F

        from mmlrs.engine.spark import quoted

        result = self.featurizer.transform(self.index(df))
        copies = [F.col(quoted(old)).alias(name) for old, name in self.others.items() if name != old]
        return result.select("*", *copies) if copies else result

    def columns(self) -> list[str]:
        """Return the columns that a learner reads."""
        return [self.featurizer.getOutputCol(), self.target, *self.others.values()]


class Trainer(Estimator[Any]):
    """The base class of both trainers."""

    _kind: str
    _reads_raw_columns = True

    def _set(self, **kwargs: Any) -> Any:
        if "model" in kwargs:
            refuse_foreign(self, "model", kwargs["model"])
        return super()._set(**kwargs)

    def _check_params(self) -> None:
        super()._check_params()
        check_learner(self, self._value("model"), self._kind)

    def _fit_table(self, table: pa.Table) -> Any:
        return through_spark(self, table, self._fit_spark)

    def _fit_spark(self, df: DataFrame) -> Any:
        from mmlrs.engine import spark

        self._check_columns(df)
        prepared = self._prepare(df)
        frame = prepared.transform(df)
        frame = frame.select(*[spark.quoted(name) for name in prepared.columns()]).persist()
        try:
            fitted = self._fit_learner(prepared, frame)
        finally:
            frame.unpersist()
        return self._model(prepared, fitted)._resetUid(self.uid)

    def _check_columns(self, df: DataFrame) -> None:
        """Raise on columns that are missing or already exist, before any work."""
        self._names(df)
        check_added(self._learner(), Columns.of(df, self._stage), self._features_col())

    def _prepare(self, df: DataFrame, all_rows: Any = None) -> Prepared:
        """Fit the preparation of features and labels. The labels are those of `all_rows` if it is not None."""
        label, inputs, others = self._names(df)
        index, labels, classes = self._indexed(df if all_rows is None else all_rows, label)
        try:
            featurizer = self._featurizer(index(df), inputs)
        except MmlrsError as error:
            raise self._no_features(df, index, error) from None
        names = levels_of(df.schema[label].metadata) if labels is None else None
        return Prepared(index, featurizer, label, self._target(), others, labels, classes, names)

    def _no_features(self, df: DataFrame, index: Callable[[Any], Any], error: MmlrsError) -> MmlrsError:
        """Return the error for features that cannot be computed, which may be that there are no rows."""
        if df.isEmpty():
            return DecodeError(f"{self._stage}: the dataset has no rows")
        if self._value("handleInvalid") == "skip" and index(df).isEmpty():
            return DecodeError(f"{self._stage}: column `{self._value('labelCol')}`: no row has a label")
        return error

    def _indexed(
        self, df: DataFrame, label: str
    ) -> tuple[Callable[[Any], Any], list[Any] | None, Callable[[Any], int] | None]:
        """Return a function that adds label numbers, the labels, and a function that counts the classes."""
        return partial(number_label, self, name=label, output=self._target()), None, None

    def _fit_learner(self, prepared: Prepared, frame: DataFrame) -> Any:
        """Fit the learner on a prepared frame."""
        learner, features = self._sized_learner(prepared, frame), prepared.featurizer.getOutputCol()
        with reworded((f"column `{features}`", "the features")):
            return learner.fit(frame)

    @abstractmethod
    def _model(self, prepared: Prepared, fitted: Any) -> Any:
        """Return the model of the trainer around a fitted learner."""

    def _renamed(self, fitted: Any) -> Any:
        """Return a fitted learner whose output columns have the user's names, which Spark ML itself may not support."""
        features = self._features_col()
        renames = {inner_name(features, name): name for name in outputs_of(self._learner())}
        renames = {old: new for old, new in renames.items() if old != new}
        if not renames:
            return fitted
        from pyspark.ml import PipelineModel

        return PipelineModel(
            [fitted, *(RenameColumn(inputCol=old, outputCol=new) for old, new in renames.items())]
        )

    def _features_col(self) -> str:
        """Return the name of the features column, which exists only during training and scoring."""
        return plain(self._value("featuresCol"))

    def _target(self) -> str:
        """Return the name of the column of label numbers, which exists only during training."""
        return f"{self._features_col()}_label"

    def _learner(self) -> Any:
        """Return the learner. Raise if it is of the wrong kind."""
        learner = self._value("model")
        check_learner(self, learner, self._kind)
        return learner

    def _names(self, df: DataFrame) -> tuple[str, list[str], dict[str, str]]:
        """Return the label column, the input columns and the learner's other columns, as the DataFrame spells them."""
        columns = Columns.of(df, self._stage)
        label = columns.resolve(self._value("labelCol"))
        others = other_inputs(self._learner(), columns)
        inputs = self._value("inputCols")
        if inputs is None:
            inputs = [name for name in df.columns if name not in (label, *others)]
        inputs = columns.resolve_all(inputs)
        if label in inputs:
            raise InvalidParamError(f"{self._stage}: param `inputCols` must not name the label, `{label}`")
        if not inputs:
            raise SchemaMismatchError(
                f"{self._stage}: there is no column to learn from besides the label `{label}`"
            )
        return label, inputs, {name: inner_name(self._features_col(), name) for name in others}

    def _featurize(self) -> Featurize:
        """Return the `Featurize` that suits the learner, without columns."""
        learners = leaves(self._learner())
        trees = bool(learners) and all(learner.hasParam("maxBins") for learner in learners)
        few = any(learner.hasParam("maxBins") or learner.hasParam("layers") for learner in learners)
        featurize = Featurize().setOutputCol(self._features_col()).setOneHotEncodeCategoricals(not trees)
        featurize.setUnseenCategories(self._value("unseenCategories"))
        number = self._value("numFeatures") or (_FEW_FEATURES if few else featurize.getNumFeatures())
        return featurize.setNumFeatures(number)

    def _featurizer(self, df: DataFrame, inputs: list[str]) -> Any:
        """Fit the featurizer."""
        return self._featurize().setInputCols(inputs).fit(df)

    def _features_key(self) -> str:
        """Return a key of the preparation. Equal keys give equal features and label numbers."""
        params = {p.name: self._value(p.name) for p in self.params if p.name != "model"}
        featurize = self._featurize()
        options = [
            featurize.getOneHotEncodeCategoricals(),
            featurize.getNumFeatures(),
            sorted({value for _, value in other_names(self._learner())}),
        ]
        return json.dumps([self._stage, params, options], sort_keys=True)

    def _sized_learner(self, prepared: Prepared, frame: DataFrame) -> Any:
        """Return a copy of the learner that reads the prepared columns, with params that depend on their sizes."""
        features = prepared.featurizer.getOutputCol()
        learner = wired(self, self._learner(), Wires(features, prepared.target, prepared.others))
        for leaf in leaves(learner):
            if leaf.hasParam("maxBins") and not leaf.isSet("maxBins"):
                largest = max(_sizes_of_categories(frame, features), default=0)
                leaf._set(maxBins=max(leaf.getOrDefault("maxBins"), largest))
        return learner


def _sizes_of_categories(frame: DataFrame, features: str) -> list[int]:
    """Return the number of levels of each slot that holds a category index."""
    group = frame.schema[features].metadata.get("ml_attr", {})
    return [len(a.get("vals", ())) or a.get("num_vals", 0) for a in group.get("attrs", {}).get("nominal", [])]


class TrainClassifier(_generated.TrainClassifier, Trainer):
    __doc__ = _generated.TrainClassifier.__doc__
    __module__ = "mmlrs.train"
    _kind = "classification"

    def _check_columns(self, df: DataFrame) -> None:
        super()._check_columns(df)
        output = self._value("predictedLabelCol")
        if output and self._value("reindexLabel"):
            Columns.of(df, self._stage).check_new([output])

    def _sized_learner(self, prepared: Prepared, frame: DataFrame) -> Any:
        from pyspark.ml.evaluation import BinaryClassificationEvaluator

        assert prepared.classes is not None
        learner, classes = super()._sized_learner(prepared, frame), prepared.classes
        for leaf in leaves(learner):
            if leaf.hasParam("layers"):
                leaf._set(layers=self._layers(leaf, frame, classes(frame)))
        evaluator = value_of(learner, "evaluator")
        if isinstance(evaluator, BinaryClassificationEvaluator) and classes(frame) > 2:
            raise InvalidParamError(
                f"{self._stage}: param `model`: the BinaryClassificationEvaluator of its {type(learner).__name__} needs two "
                f"classes, and column `{prepared.label}` has {classes(frame)}; use a MulticlassClassificationEvaluator"
            )
        return of_many(learner, partial(classes, frame))

    def _model(self, prepared: Prepared, fitted: Any) -> Any:
        return TrainedClassifierModel(
            featurizer=prepared.featurizer,
            model=self._renamed(fitted),
            labelCol=prepared.label,
            labels=prepared.labels,
            labelNames=prepared.names,
            predictedLabelCol=self._value("predictedLabelCol"),
        )

    def _layers(self, learner: MultilayerPerceptronClassifier, frame: DataFrame, classes: int) -> list[int]:
        """Return the sizes of the layers of a perceptron. The user's inner layers are kept."""
        width = frame.schema[learner.getFeaturesCol()].metadata["ml_attr"]["num_attrs"]
        inner = learner.getLayers()[1:-1] if learner.isDefined("layers") else []
        return [width, *inner, classes]

    def _indexed(
        self, df: DataFrame, label: str
    ) -> tuple[Callable[[Any], Any], list[Any] | None, Callable[[Any], int] | None]:
        from pyspark.sql import functions as F

        target = self._target()
        nominal = df.schema[label].metadata.get("ml_attr", {}).get("vals")
        if nominal is not None and self._value("labels") is not None:
            raise InvalidParamError(
                f"{self._stage}: param `labels` must not be set, because column `{label}` has nominal attributes with the labels"
            )
        if nominal is not None or not self._value("reindexLabel"):
            numbers = partial(number_label, self, name=label, output=target)
            if nominal is not None:
                return numbers, None, lambda _: len(nominal)
            return numbers, None, lambda frame: int(frame.agg(F.max(target)).first()[0] or 0) + 1
        index, labels = class_labels(self, df, label, target)
        return index, labels, lambda _: len(labels)


class TrainRegressor(_generated.TrainRegressor, Trainer):
    __doc__ = _generated.TrainRegressor.__doc__
    __module__ = "mmlrs.train"
    _kind = "regression"

    def _model(self, prepared: Prepared, fitted: Any) -> Any:
        return TrainedRegressorModel(
            featurizer=prepared.featurizer, model=self._renamed(fitted), labelCol=prepared.label
        )


class _Trained(PythonModel):
    """The base class of trained models."""

    _kind: str

    def _transform_table(self, table: pa.Table) -> pa.Table:
        Columns.of(table, self._stage).check_new(self._new_columns())
        featurizer, model = self._value("featurizer"), self._value("model")
        if type(model).__module__.startswith("mmlrs."):
            result = model.transform(featurizer.transform(table))
            result = self._answers_in_table(result.drop_columns([featurizer.getOutputCol()]))
            return with_metadata(result, self._marks(result.column_names, table.column_names))
        return added_by(self, table, self._transform_spark)

    def _transform_spark(self, df: DataFrame) -> DataFrame:
        from mmlrs.engine import spark
        from mmlrs.engine.projection import marked

        featurizer, model = self._value("featurizer"), self._value("model")
        Columns.of(df, self._stage).check_new(self._new_columns())
        result = model.transform(featurizer.transform(df))
        lineage = spark.lineage_of(result)
        names = [name for name in result.columns if name != featurizer.getOutputCol()]
        result = self._answers_on_spark(marked(result, names, self._marks(names, df.columns)))
        return spark.with_lineage(result, {n: e for n, e in lineage.items() if n in df.columns})

    def _new_columns(self) -> list[str]:
        """Return the columns that scoring adds."""
        return list(self._outputs().values())

    def _answers_on_spark(self, df: DataFrame) -> DataFrame:
        """Return scored data with the columns that only this kind of model adds."""
        return df

    def _answers_in_table(self, table: pa.Table) -> pa.Table:
        """Return scored data with the columns that only this kind of model adds."""
        return table

    def _outputs(self) -> dict[str, str]:
        """Return the columns that the learner adds, by role."""
        model = self._value("model")
        learner = predictor(model)
        if not learner.hasParam("predictionCol"):
            return {"prediction": "prediction"}
        columns = {role: name for role in _ROLES if (name := value_of(learner, f"{role}Col")) is not None}
        for stage in inside(model):
            if isinstance(stage, RenameColumn):
                old, new = stage._value("inputCol"), stage._value("outputCol")
                columns = {role: new if name == old else name for role, name in columns.items()}
        return columns

    def _marks(self, columns: list[str], inputs: list[str]) -> dict[str, dict[str, Any]]:
        """Return the metadata of the label and of the columns that the learner added."""
        marks = {}
        for role, name in ({role: role for role in _ROLES} | self._outputs()).items():
            if name in columns and name not in inputs:
                marks[name] = self._mark(role, name)
        if self._value("labelCol") in columns:
            marks[self._value("labelCol")] = self._mark("label", self._value("labelCol"))
        return marks

    def _mark(self, role: str, name: str) -> dict[str, Any]:
        return {METADATA: {"role": role, "kind": self._kind, "model": self.uid}}


class TrainedClassifierModel(_generated.TrainedClassifierModel, _Trained):
    __doc__ = _generated.TrainedClassifierModel.__doc__
    __module__ = "mmlrs.train"
    _kind = "classification"

    def _predicted(self) -> tuple[list[Any], str, str] | None:
        """Return the labels, the column of predictions and the column of labels to add; None if there is none to add."""
        labels, output = self._value("labels") or self._value("labelNames"), self._value("predictedLabelCol")
        prediction = self._outputs().get("prediction")
        return (list(labels), prediction, output) if labels and output and prediction else None

    def _new_columns(self) -> list[str]:
        columns, predicted = super()._new_columns(), self._predicted()
        if predicted is None:
            return columns
        if predicted[2] in columns:
            raise InvalidParamError(
                f"{self._stage}: param `predictedLabelCol` must be another name: the learner adds a column `{predicted[2]}`"
            )
        return [*columns, predicted[2]]

    def _answers_on_spark(self, df: DataFrame) -> DataFrame:
        predicted = self._predicted()
        return df if predicted is None else with_labels_on_spark(self._stage, df, *predicted)

    def _answers_in_table(self, table: pa.Table) -> pa.Table:
        predicted = self._predicted()
        return table if predicted is None else with_labels_in_table(self._stage, table, *predicted)

    def _mark(self, role: str, name: str) -> dict[str, Any]:
        labels = self._value("labels")
        mark = super()._mark(role, name)
        if labels is not None:
            mark[METADATA]["labels"] = list(labels)
            if role == "prediction":
                texts = [label if isinstance(label, str) else json.dumps(label) for label in labels]
                origin = {"type": _type_of(labels), "levels": len(labels)}
                mark["ml_attr"] = {"type": "nominal", "name": name, "vals": texts, "mmlrs": origin}
        return mark


def _type_of(labels: list[Any]) -> str:
    """Return the name of the type of labels, as `IndexToValue` uses it."""
    for kind, name in ((bool, "boolean"), (int, "long"), (float, "double")):
        if all(isinstance(label, kind) for label in labels):
            return name
    return "string"


class TrainedRegressorModel(_generated.TrainedRegressorModel, _Trained):
    __doc__ = _generated.TrainedRegressorModel.__doc__
    __module__ = "mmlrs.train"
    _kind = "regression"
