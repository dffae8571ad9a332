"""Compile fitted pipelines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mmlrs._pyspark import Params
from mmlrs.base import NativeTransformer
from mmlrs.compiled._definition import check_steps, step
from mmlrs.compiled._model import CompiledModel
from mmlrs.compiled._networks import is_network
from mmlrs.compiled._saved import Saved
from mmlrs.compiled._values import CannotCompile, value
from mmlrs.engine.chain import ON_NAMES
from mmlrs.errors import InvalidParamError

if TYPE_CHECKING:
    from mmlrs._types import AnyStage

__all__ = ["WHY_NOT", "compile"]

#: Stages of mmlrs that change neither columns nor rows.
_NEUTRAL = ("Cacher", "CheckpointData", "PartitionConsolidator", "Repartition")
#: The params of wrappers that hold a fitted stage.
_HELD = {"BestModel": "bestModel", "TuneHyperparametersModel": "bestModel", "TimerModel": "stage"}
#: Stages of mmlrs that are not part of a compiled model, and why.
WHY_NOT = {
    "Lambda": "it runs a Python function",
    "UDFTransformer": "it runs a Python function",
    "Query": "it runs SQL",
    "Explode": "it changes the number of rows",
    "EnsembleByKey": "it changes the number of rows",
    "PartitionSample": "it changes the number of rows",
    "StratifiedRepartition": "it changes the number of rows",
    "ImageSetAugmenter": "it changes the number of rows",
}


def compile(  # noqa: A001 - the name says what it does, as in `re.compile`
    model: AnyStage | Sequence[AnyStage],
    *,
    outputCols: Sequence[str] | None = None,
    predictedLabelCol: str | None = "predictedLabel",
    probabilitiesCol: str | None = None,
    workDir: str | None = None,
) -> CompiledModel:
    """Turn a fitted pipeline or model, of Spark ML and of mmlrs, into one native stage.

    The result adds the columns that the original adds. Predictions are equal, and scores differ by rounding only (1e-9 relative).
    It runs on Spark in one Python pass, and on tables in a process without Java and pyspark.

    Parameters
    ----------
    model : Transformer or list of Transformer
        A fitted `PipelineModel`, `CrossValidatorModel`, `TrainValidationSplitModel`, `TrainedClassifierModel`,
        `TrainedRegressorModel`, `BestModel` or `TuneHyperparametersModel`, a single fitted stage, or a list of these. The guide
        lists the stages of Spark ML that can be compiled.
    outputCols : list of str, optional
        The columns to add. If not given, all that the model adds.
    predictedLabelCol : str, default "predictedLabel"
        Name of the column of predicted labels, which is added if the pipeline indexes the label with `StringIndexer` or ends in a
        network of `mmlrs.ann` with labels, and if the model does not have it already. None adds none.
    probabilitiesCol : str, optional
        Name of a column to add with the probability of each class by its name, a struct. It needs a classifier with probabilities
        whose classes have names. If not given, there is no such column; `predict_one` returns them in any case.
    workDir : str, optional
        Trees of Spark ML have no getter for their nodes. They are saved to this folder and read back through Spark, so the nodes
        of the session must be able to reach it. If not given, a temporary folder under /tmp of Spark's default file system,
        which is deleted if this process can reach it.

    Returns
    -------
    CompiledModel
        The compiled model. It needs neither `model` nor Spark.

    Raises
    ------
    InvalidParamError
        A stage is not fitted or cannot be compiled. The message names it and its place in the pipeline.
    IoError
        The folder of `workDir` cannot be used.

    Examples
    --------
    >>> import mmlrs
    >>> import pyarrow as pa
    >>> from mmlrs.featurize import Featurize
    >>> table = pa.table({"age": [31.0, 45.0], "member": [True, False]})
    >>> model = mmlrs.compile(Featurize(inputCols=["age", "member"], outputCol="features").fit(table))
    >>> model.predict_one({"age": 20.0, "member": True})
    {'features': [20.0, 1.0]}
    """
    if isinstance(outputCols, str):
        raise InvalidParamError(
            f"compile: param `outputCols` must be a list of names of columns, got {outputCols!r}"
        )
    saved = Saved(workDir)
    work = _Work(saved)
    several = isinstance(model, list | tuple)
    try:
        for number, stage in enumerate(model if several else [model], 1):  # type: ignore[arg-type]
            work.add(stage, f"stage {number} of {len(model)} of the list, " if several else "")  # type: ignore[arg-type]
    finally:
        saved.clear()
    if not work.stages:
        raise InvalidParamError(
            f"compile: param `model`: the {type(model).__name__} has no stage that computes a column"
        )
    return work.finished(
        None if outputCols is None else list(outputCols), predictedLabelCol, probabilitiesCol
    )


class _Work:
    """The native stages so far, and what was learned about their columns."""

    def __init__(self, saved: Saved) -> None:
        self.saved = saved
        self.stages: list[Any] = []
        #: The labels of columns of indices.
        self.labels: dict[str, list[Any]] = {}
        #: The classifier whose classes have names: label, prediction and probability column.
        self.classifier: tuple[str | None, str | None, str | None] | None = None
        self.named: set[str] = set()
        #: The predictions of a trained network.
        self.of_network: str | None = None

    def add(self, model: AnyStage, place: str) -> None:
        """Append the native stages of a fitted stage. `place` says where it stands."""
        stage: Any = model
        kind = type(stage).__name__
        _check_fitted(stage, place)
        if kind == "PipelineModel":
            for number, inner in enumerate(stage.stages, 1):
                self.add(inner, f"{place}stage {number} of {len(stage.stages)} of the pipeline, ")
        elif kind in ("CrossValidatorModel", "TrainValidationSplitModel"):
            self.add(stage.bestModel, place)
        elif kind in _HELD:
            self.add(stage._value(_HELD[kind]), place)
        elif kind in ("TrainedClassifierModel", "TrainedRegressorModel"):
            self._add_trained(stage, place)
        elif kind == "FineTunedModel":
            self._add_fine_tuned(stage)
        elif kind in ("CompiledModel", "MultiColumnAdapterModel"):
            for inner in stage._value("stages"):
                self.add(inner, place)
        elif isinstance(stage, NativeTransformer) or kind in ON_NAMES:
            self.stages.append(stage.copy())
            self._learn_of_native(stage)
        elif kind not in _NEUTRAL:
            self._add_of_spark(stage, place)

    def _add_of_spark(self, stage: Any, place: str) -> None:
        # Here, because a process that only loads compiled models needs neither.
        from mmlrs.compiled._spark_features import FEATURES
        from mmlrs.compiled._spark_learners import LEARNERS

        kind = type(stage).__name__
        known = type(stage).__module__.startswith("pyspark.ml.")
        if not known or not (kind in FEATURES or kind in LEARNERS):
            cause = WHY_NOT.get(
                kind, "no kernel scores it" if type(stage).__module__.startswith("pyspark.") else ""
            )
            raise InvalidParamError(_cannot(stage, place, cause))
        try:
            self.stages += FEATURES[kind](stage) if kind in FEATURES else LEARNERS[kind](stage, self.saved)
        except CannotCompile as error:
            raise InvalidParamError(_cannot(stage, place, str(error))) from None
        self._learn(stage, kind)

    def _learn(self, stage: Any, kind: str) -> None:
        """Note what a stage of Spark ML says about labels."""
        if kind == "StringIndexerModel":
            outputs = value(stage, "outputCols") or [stage.getOrDefault("outputCol")]
            self.labels |= dict(zip(outputs, map(list, stage.labelsArray), strict=True))
        elif kind == "IndexToString":
            self.named.add(stage.getInputCol())
        elif stage.hasParam("labelCol") and stage.hasParam("rawPredictionCol"):
            self.classifier = (
                value(stage, "labelCol"),
                value(stage, "predictionCol"),
                value(stage, "probabilityCol"),
            )

    def _learn_of_native(self, stage: Any) -> None:
        """Note the labels of a trained network, which has them from the column that it was trained on, and who names its classes."""
        if is_network(stage) and stage.hasParam("probabilityCol"):
            column = f"{stage.uid}_label"
            self.labels[column] = list(stage._value("labels") or [])
            self.classifier = (column, stage._value("predictionCol"), stage._value("probabilityCol"))
            self.of_network = stage._value("predictionCol")
        elif stage._stage == "IndexToValue" and stage._value("inputCol") == self.of_network:
            self.named.add(stage._value("inputCol"))

    def _add_fine_tuned(self, stage: Any) -> None:
        """Append the stages of a network with a trained head, without the column of the values of its last layer."""
        from mmlrs.stages import DropColumns

        self.stages += [*stage._parts(stage._value("inputCol")), DropColumns(cols=[stage._values])]
        column, labels = f"{stage.uid}_label", list(stage._value("labels"))
        prediction = stage._value("predictionCol")
        self.labels[column] = labels
        self.classifier = (column, prediction, stage._value("probabilityCol"))
        self._add_labels(labels, prediction, stage._value("predictedLabelCol"))

    def _add_trained(self, stage: Any, place: str) -> None:
        """Append the stages of a model of `TrainClassifier` or `TrainRegressor`, without the column of features."""
        from mmlrs.stages import DropColumns

        featurizer = stage._value("featurizer")
        self.stages.append(featurizer.copy())
        self.add(stage._value("model"), f"{place}the learner of the {type(stage).__name__}, ")
        self.stages.append(DropColumns(cols=[featurizer.getOutputCol()]))
        outputs = stage._outputs()
        predicted = stage._predicted() if hasattr(stage, "_predicted") else None
        labels = (
            (stage._value("labels") or stage._value("labelNames")) if hasattr(stage, "_predicted") else None
        )
        if labels:
            column = f"{stage.uid}_label"
            self.labels[column] = list(labels)
            self.classifier = (column, outputs.get("prediction"), outputs.get("probability"))
        if predicted is not None:
            self._add_labels(predicted[0], predicted[1], predicted[2])

    def _add_labels(self, labels: list[Any], prediction: str, output: str) -> None:
        from mmlrs.featurize import IndexToValue

        self.stages.append(
            IndexToValue(inputCol=prediction, outputCol=output, levels=labels, handleInvalid="keep")
        )
        self.named.add(prediction)

    def _add_probabilities(self, labels: list[Any] | None, probability: str | None, output: str) -> None:
        """Append the step that names the probabilities. It comes before the predicted label, which answers."""
        if not labels or not probability:
            raise InvalidParamError(
                "compile: param `probabilitiesCol` must not be set: the model has no classifier with probabilities whose classes "
                "have names"
            )
        names = [label if isinstance(label, str) else json.dumps(label) for label in labels]
        self.stages.append(step("probabilities by name", [probability], [output], "name_slots", names=names))

    def finished(
        self, outputs: list[str] | None, label_col: str | None, probabilities_col: str | None
    ) -> CompiledModel:
        """Return the compiled model, with the predicted label if the classes have names."""
        labels, prediction, probability = None, None, None
        if self.classifier is not None:
            label, prediction, probability = self.classifier
            labels = self.labels.get(label or "")
        check_steps("compile", self.stages)
        taken = {name for stage in self.stages for name in stage._columns("output")}
        if labels and prediction and label_col and prediction not in self.named and label_col not in taken:
            self._add_labels(labels, prediction, label_col)
        if label_col and label_col != "predictedLabel" and label_col in taken:
            raise InvalidParamError(
                f"compile: param `predictedLabelCol` must be a new column; the model adds {label_col!r} already"
            )
        if probabilities_col:
            self._add_probabilities(labels, probability, probabilities_col)
        added = [name for stage in self.stages for name in stage._columns("output")]
        if unknown := [name for name in outputs or () if name not in added]:
            raise InvalidParamError(
                f"compile: param `outputCols` names {unknown[0]!r}, which the model does not add; it adds {', '.join(added)}"
            )
        return CompiledModel(
            stages=self.stages,
            outputCols=outputs,
            answerCol=self._answer(outputs, prediction),
            labels=labels,
            probabilityCol=(probability or None) if labels else None,
        )

    def _answer(self, outputs: list[str] | None, prediction: str | None) -> str | None:
        """Return the column that answers: the predicted label, else the prediction, else the last column."""
        added = {name for stage in self.stages for name in stage._columns("output")}
        renamed = {
            s._value("inputCol"): s._value("outputCol") for s in self.stages if s._stage == "RenameColumn"
        }
        labels = [s for s in self.stages if s._stage == "IndexToValue" and s._value("inputCol") in self.named]
        label = labels[-1]._value("outputCol") if labels else None
        candidates = [label, renamed.get(prediction or "", prediction), "prediction"]
        allowed = added if outputs is None else set(outputs)
        return next((name for name in candidates if name and name in allowed), None)


def _check_fitted(stage: Any, place: str) -> None:
    """Raise unless this is a fitted stage."""
    if isinstance(stage, type) or not isinstance(stage, Params):
        raise InvalidParamError(f"compile: param `model` must be a fitted stage, got {stage!r:.200}")
    if hasattr(stage, "fit"):
        raise InvalidParamError(
            f"compile: {_named(stage, place)} is not fitted; call its fit(data) and pass the model that it returns"
        )


def _named(stage: Any, place: str) -> str:
    return (
        f"{place}the {type(stage).__name__} {stage.uid},"
        if place
        else f"the {type(stage).__name__} {stage.uid}"
    )


def _cannot(stage: Any, place: str, cause: str) -> str:
    because = f": {cause}" if cause else ""
    return (
        f"compile: {_named(stage, place)} cannot be compiled{because}; take it out of the pipeline and apply it separately, or "
        "keep the pipeline on Spark"
    )
