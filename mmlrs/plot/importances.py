"""The weights of features."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mmlrs._messages import counted, shown
from mmlrs._pyspark import Params
from mmlrs.engine.columns import Columns
from mmlrs.engine.datasets import is_spark, is_table
from mmlrs.engine.table import to_table
from mmlrs.errors import DecodeError, InvalidParamError, SchemaMismatchError
from mmlrs.plot.axes import COLOURS, axes_of, extent_of, shortened_all, whole
from mmlrs.plot.rows import Floats
from mmlrs.train.kinds import predictor
from mmlrs.train.scored import facts_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_importances"]

_FUNCTION = "plot_importances"
_NAME = 36
_KINDS = {
    "featureImportances": "importance",
    "feature_importances_": "importance",
    "coefficients": "coefficient",
    "coefficientMatrix": "mean absolute coefficient of the classes",
    "coef_": "coefficient",
}


def plot_importances(
    model_or_values: Any,
    names: Any = None,
    *,
    top: int = 20,
    features_col: str = "features",
    ax: Axes | None = None,
) -> Axes:
    """Plot the features with the largest importances or coefficients as horizontal bars.

    Parameters
    ----------
    model_or_values : fitted model, vector, array or mapping
        A model of Spark ML or scikit-learn with feature importances or coefficients, also as the last stage of a
        `PipelineModel` or in a model of `mmlrs.train`; or the values: a vector of Spark ML, an array, or a mapping from
        name to value.
    names : sequence of str, or dataset, optional
        The names of the features in order. Or a dataset with the column of features, whose metadata names its slots, as
        those of `VectorAssembler` and `Featurize`: the training data of the model, or its predictions. For a model of
        `mmlrs.train`, which makes the features itself, its raw training data. By default the names that a model of
        scikit-learn knows (`feature_names_in_`, or those that the steps before it in a pipeline give), else `features[0]`,
        `features[1]`, ...
    top : int, default 20
        Number of bars, at least 1. The title says how many features there are.
    features_col : str, default "features"
        Name of the column of features in the dataset `names`.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; by default those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with a bar per feature, the largest absolute value on top. Negative coefficients point to the left.

    Raises
    ------
    InvalidParamError
        The model has neither importances nor coefficients, the number of names is not that of the values, or `top` is not
        valid.
    ColumnNotFoundError, SchemaMismatchError
        The dataset has no column of features, or the values are not numbers.
    DecodeError
        There are no values, or one is null, NaN or infinite.
    MissingPackageError
        Matplotlib is not installed.

    Notes
    -----
    For a linear model of more than two classes, the value of a feature is the mean of the absolute coefficients of the
    classes. Coefficients are comparable only if the features have one scale.

    Examples
    --------
    >>> from mmlrs.plot import plot_importances
    >>> ax = plot_importances([0.1, 0.7, 0.2], ["age", "income", "town"], top=2)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['income', 'town']
    """
    top = whole(_FUNCTION, "top", top, 1)
    if isinstance(model_or_values, Mapping):
        names = list(model_or_values) if names is None else names
        model_or_values = list(model_or_values.values())
    values, kind = _values(model_or_values)
    if hasattr(model_or_values, "getFeaturizer") and (is_spark(names) or is_table(names)):
        featurizer = model_or_values.getFeaturizer()
        names, features_col = featurizer.transform(names), featurizer.getOutputCol()
    if names is None:
        names = _names_in(model_or_values, len(values))
    texts = _names(names, features_col, len(values))
    # The largest first; equal ones in the order of the features.
    order = np.argsort(-np.abs(values), kind="stable")[:top]
    ax = axes_of(_FUNCTION, ax, (6.4, min(60.0, 1.2 + 0.26 * max(3, len(order)))))
    colours = [COLOURS[1] if values[place] < 0 else COLOURS[0] for place in order]
    ax.barh(range(len(order)), values[order], color=colours, height=0.75)
    small = max(4.0, min(9.5, 0.8 * extent_of(ax)[1] / len(order)))
    ax.set_yticks(range(len(order)), shortened_all([texts[place] for place in order], _NAME), fontsize=small)
    ax.set_ylim(len(order) - 0.4, -0.6)
    if (values[order] < 0).any():
        ax.axvline(0, color="black", linewidth=0.8)
    ax.set(xlabel=kind)
    count = counted(len(values), "feature")
    ax.set_title(f"the {len(order)} largest of {count}" if len(order) < len(values) else count)
    return ax


def _values(source: Any) -> tuple[Floats, str]:
    """Return the values of a model or of an array, and what they are."""
    kind = "importance"
    if isinstance(source, Params) or hasattr(source, "fit") or hasattr(source, "predict"):
        source, kind = _of_model(source)
    if hasattr(source, "toArray"):
        source = source.toArray()
    if hasattr(source, "to_numpy"):
        source = source.to_numpy()
    if isinstance(source, str | bytes) or not isinstance(source, Iterable):
        raise InvalidParamError(
            f"{_FUNCTION}: param `model_or_values` must be a fitted model, a vector, an array or a mapping, got "
            f"{shown(source)}"
        )
    try:
        values = np.asarray(source, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SchemaMismatchError(f"{_FUNCTION}: the values are not numbers: {error}") from None
    if values.ndim == 2:
        one_row = len(values) == 1
        values = values[0] if one_row else np.abs(values).mean(axis=0)
        if kind == "coefficient":
            kind = "coefficient" if one_row else _KINDS["coefficientMatrix"]
    if values.ndim != 1 or not len(values):
        raise DecodeError(
            f"{_FUNCTION}: there are no values"
            if not values.size
            else f"{_FUNCTION}: the values have {values.ndim} axes; expected one"
        )
    if not np.isfinite(values).all():
        place = int(np.argmin(np.isfinite(values)))
        raise DecodeError(
            f"{_FUNCTION}: the value of feature {place} is {values[place]}; expected finite numbers"
        )
    return values, kind


def _of_model(model: Any) -> tuple[Any, str]:
    """Return the importances or coefficients of a model, or of the predicting stage in it."""
    candidates = [model]
    if isinstance(model, Params):
        candidates = [predictor(_unwrapped(model))]
    elif hasattr(model, "steps"):
        candidates = [model.steps[-1][1]]
    for candidate in candidates:
        for attribute, kind in _KINDS.items():
            values = _attribute(candidate, attribute)
            if values is not None:
                return values, kind
    found = type(candidates[0]).__name__
    raise InvalidParamError(
        f"{_FUNCTION}: param `model_or_values`: a {found} has neither importances nor coefficients; pass a fitted model "
        "of trees or a linear model, or the values"
    )


def _attribute(model: Any, name: str) -> Any:
    """Return an attribute, or None if the model does not have it for its number of classes."""
    try:
        return getattr(model, name, None)
    except Exception:  # noqa: BLE001 - Spark raises its own error for `coefficients` of several classes
        return None


def _names_in(model: Any, count: int) -> list[str] | None:
    """Return the names of the features that a model or pipeline of scikit-learn knows, or None."""
    names = None
    if len(getattr(model, "steps", ())) > 1 and hasattr(model[:-1], "get_feature_names_out"):
        try:
            names = model[:-1].get_feature_names_out()
        except Exception:  # noqa: BLE001 - a step gives no names, each step in its own way
            return None
    elif not isinstance(model, Params):
        last = model.steps[-1][1] if hasattr(model, "steps") else model
        names = getattr(last, "feature_names_in_", None)
    return None if names is None or len(names) != count else [str(name) for name in names]


def _unwrapped(model: Any) -> Any:
    """Return the model in a model of `mmlrs.train`, which makes the features itself."""
    while hasattr(model, "getFeaturizer") and hasattr(model, "getModel"):
        model = model.getModel()
    return model


def _names(names: Any, features_col: str, count: int) -> list[str]:
    """Return the name of every feature."""
    if names is None:
        return [f"{features_col}[{slot}]" for slot in range(count)]
    if is_spark(names) or is_table(names):
        texts = _slots(names, features_col, count)
    elif isinstance(names, str | bytes) or not isinstance(names, Iterable):
        raise InvalidParamError(
            f"{_FUNCTION}: param `names` must be a list of names or a dataset, got {shown(names)}"
        )
    else:
        texts = [str(name) for name in names]
    if len(texts) != count:
        raise InvalidParamError(
            f"{_FUNCTION}: param `names` gives {counted(len(texts), 'name')}, but there are {counted(count, 'value')}"
        )
    return texts


def _slots(dataset: Any, features_col: str, count: int) -> list[str]:
    """Return the names of the slots in the metadata of a column of features."""
    frame = dataset if is_spark(dataset) else to_table(dataset)
    column = Columns.of(frame, _FUNCTION).resolve(features_col)
    group = facts_of(frame if is_spark(frame) else frame.select([column]))[column].get("ml_attr", {})
    size = int(group.get("num_attrs", count))
    texts = [f"{column}[{slot}]" for slot in range(size)]
    for attributes in group.get("attrs", {}).values():
        for attribute in attributes:
            if attribute.get("name") and 0 <= attribute.get("idx", -1) < size:
                texts[attribute["idx"]] = attribute["name"]
    return texts
