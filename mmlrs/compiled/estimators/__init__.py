"""Fitted estimators of scikit-learn, LightGBM and XGBoost as compiled models."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from mmlrs.compiled._definition import check_steps
from mmlrs.compiled._model import CompiledModel
from mmlrs.compiled.estimators._columns import Features, Flow, Slot, refused, vector_slots
from mmlrs.compiled.estimators._dumps import check_count
from mmlrs.compiled.estimators._outputs import Outputs
from mmlrs.compiled.estimators._parts import finish, is_transformer, names_and_size, source
from mmlrs.errors import InvalidParamError

__all__ = ["from_estimator"]


def from_estimator(
    fitted: Any,
    *,
    inputCols: Sequence[str] | None = None,
    featuresCol: str | None = None,
    predictionCol: str = "prediction",
    probabilityCol: str | None = "probability",
    rawPredictionCol: str | None = None,
    predictedLabelCol: str | None = "predictedLabel",
    outputCol: str = "transformed",
) -> CompiledModel:
    """Return a fitted estimator of scikit-learn, LightGBM or XGBoost as a compiled model.

    The model is an ordinary stage: it scores Spark DataFrames and tables, saves, loads and answers single rows, in processes
    that have neither the library nor Java. Only numbers, strings and trees of the original are read; nothing of it is pickled.

    The predictions equal those of the original, and probabilities and other scores equal them to 1e-9. XGBoost computes in single
    precision: its sums of trees are reproduced exactly, and what follows from them, such as probabilities, is computed in
    double precision and equals the original to 1e-6. Columns are read in double precision, which is that of the original for all
    but columns of 32-bit floats in linear models and scalers.

    Parameters
    ----------
    fitted : object
        A fitted estimator, `Pipeline` or `ColumnTransformer` of scikit-learn, a `Booster` or an estimator of LightGBM or
        XGBoost, or the path of a model file: the text of LightGBM, or the JSON of XGBoost. The guide lists the classes. What
        cannot be compiled is an error that names it and its place in the pipeline.
    inputCols : list of str, optional
        The columns with the features, in the order of the fit. If not set, the names of the fit.
    featuresCol : str, optional
        A column of vectors with all features. If not set and the fit knew no names, "features".
    predictionCol : str, default "prediction"
        The column of predictions: a double, which for classifiers is the number of the class. Clusters are integers.
    probabilityCol : str or None, default "probability"
        The column of the vector of class probabilities. Only classifiers that have probabilities add it. None for no such column.
    rawPredictionCol : str, optional
        The column of the vector of raw values of the classes, as `decision_function` returns them; `-m` and `m` for the margin `m`
        of two classes. Added only if set, for classifiers that have such values.
    predictedLabelCol : str or None, default "predictedLabel"
        The column of the predicted class label, with the type of the labels: strings, numbers or booleans. None for no such
        column. Models that do not know their labels, as boosters do, do not add it.
    outputCol : str, default "transformed"
        The column of vectors that a fitted transformer without a predictor adds.

    Returns
    -------
    CompiledModel
        The model. A null in a column of the features is a missing value, as NaN is: it goes where the original sends it, and
        is an error that names class, column and row if the original does not accept it.

    Raises
    ------
    InvalidParamError
        The estimator is not fitted, a part of it cannot be compiled, or the columns do not fit it.
    ModelLoadError
        A model file, or the dump of a booster, is damaged or has an unknown version.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> import mmlrs
    >>> frame = pd.DataFrame({"height": [1.5, 1.6, 1.8, 1.9], "weight": [50.0, 60.0, 90.0, 80.0]})
    >>> fitted = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, ["S", "S", "L", "L"])
    >>> model = mmlrs.from_estimator(fitted)
    >>> scored = model.transform(frame)
    >>> assert list(scored["predictedLabel"]) == list(fitted.predict(frame))
    >>> assert list(scored["prediction"]) == [1.0, 1.0, 0.0, 0.0]
    """
    outputs = Outputs(
        _name("predictionCol", predictionCol),
        _optional_name("probabilityCol", probabilityCol),
        _optional_name("rawPredictionCol", rawPredictionCol),
        _optional_name("predictedLabelCol", predictedLabelCol),
    )
    original = source(fitted) if isinstance(fitted, str | os.PathLike) else fitted
    features = _features(original, inputCols, featuresCol)
    added = [_name("outputCol", outputCol)] if is_transformer(original) else outputs.names()
    _check_names(features, added)
    flow = Flow({*(slot.column for slot in features), *added})
    finish(flow, original, features, outputs, outputCol)
    check_steps("from_estimator", flow.stages)
    model = CompiledModel(stages=flow.stages, outputCols=outputs.added, answerCol=outputs.added[-1])
    if outputs.labels is not None:
        model.setLabels(outputs.labels)
    if outputs.probability is not None and outputs.probability in outputs.added:
        model.setProbabilityCol(outputs.probability)
    return model


def _name(param: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidParamError(
            f"from_estimator: param `{param}` must be the name of a column, got {value!r:.100}"
        )
    return value


def _optional_name(param: str, value: Any) -> str | None:
    return None if value is None else _name(param, value)


def _features(fitted: Any, inputCols: Any, featuresCol: str | None) -> Features:
    """Return the columns that the model reads."""
    names, size = names_and_size(fitted)
    check_count(size, "features")
    if inputCols is not None and featuresCol is not None:
        raise InvalidParamError("from_estimator: set `inputCols` or `featuresCol`, not both")
    if featuresCol is not None:
        return vector_slots(_name("featuresCol", featuresCol), size)
    if inputCols is None:
        if names is None:
            return vector_slots("features", size)
        return [Slot(name) for name in names]
    if isinstance(inputCols, str) or not all(isinstance(name, str) and name for name in inputCols):
        raise InvalidParamError(
            f"from_estimator: param `inputCols` must be a list of column names, got {inputCols!r:.100}"
        )
    if len(inputCols) != size:
        raise InvalidParamError(
            f"from_estimator: param `inputCols` must name the {size} features of the fit, got {len(inputCols)}"
        )
    return [Slot(name) for name in inputCols]


def _check_names(features: Features, added: Sequence[str]) -> None:
    """Refuse names of columns to add that are read, or given twice."""
    read = {slot.column for slot in features}
    for place, name in enumerate(added):
        if name in read or name in added[:place]:
            cause = "is a column that the model reads" if name in read else "is given twice"
            raise InvalidParamError(
                f"from_estimator: the output column {name!r} {cause}; choose another name"
            )
    if not features:
        raise refused("the estimator", "it has no features")
