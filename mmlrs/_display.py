"""The display of stages and pipelines: lines at a prompt, small tables in a notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from itertools import islice
from typing import TYPE_CHECKING, Any

from mmlrs._messages import shown
from mmlrs._pyspark import BaseModel, Params
from mmlrs.errors import InvalidParamError
from mmlrs.models import ModelHandle

if TYPE_CHECKING:
    from mmlrs._types import AnyStage

__all__ = ["Description", "Shown", "describe"]

#: Maximum number of characters of a value, and of items of a list or map, that are shown.
_SHOWN_TEXT = 60
_SHOWN_ITEMS = 6

#: The params of Spark ML's stages that name columns. The params of mmlrs stages have roles.
_READ = ("inputCol", "inputCols", "featuresCol", "labelCol", "userCol", "itemCol")
_WRITTEN = ("outputCol", "outputCols", "predictionCol", "probabilityCol", "rawPredictionCol")


def _value(value: Any) -> str:
    """Return a short form of a value: bytes by their number, models by their path or hash, functions by name."""
    if isinstance(value, Params):
        return _line(value)
    if isinstance(value, str):
        return repr(value if len(value) <= _SHOWN_TEXT else value[: _SHOWN_TEXT - 3] + "...")
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value):,} bytes>"
    if isinstance(value, ModelHandle):
        if value.name is not None:
            return repr(value)
        place = f"path={_end(value.path)!r}" if value.path is not None else f"sha256='{value.sha256:.8}...'"
        return f"ModelHandle({place})"
    if isinstance(value, Mapping):
        return "{" + _items(f"{_value(k)}: {_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + _items(map(_value, value)) + "]"
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    return shown(value, _SHOWN_TEXT)


def _items(texts: Iterator[str]) -> str:
    first = list(islice(texts, _SHOWN_ITEMS + 1))
    return ", ".join([*first[:_SHOWN_ITEMS], "..."] if len(first) > _SHOWN_ITEMS else first)


def _end(path: str) -> str:
    return path if len(path) <= _SHOWN_TEXT else "..." + path[3 - _SHOWN_TEXT :]


def _params(stage: AnyStage, values: Mapping[Any, Any]) -> list[tuple[Any, Any]]:
    """Return params and their values in the order of the constructor's signature."""
    inits = [vars(cls).get("__init__") for cls in type(stage).__mro__]
    signature: Any = next(filter(None, (getattr(init, "__signature__", None) for init in inits)), None)
    order = {} if signature is None else {name: place for place, name in enumerate(signature.parameters)}
    return sorted(values.items(), key=lambda item: order.get(item[0].name, len(order)))


def _is_inherited(stage: AnyStage, param: Any, value: Any) -> bool:
    """Return whether a fitted model has only the default: an estimator sets all its params on the model."""
    default = stage._defaultParamMap.get(param)
    return isinstance(stage, BaseModel) and type(value) is type(default) and bool(value == default)


def _line(stage: AnyStage) -> str:
    values = _params(stage, {p: v for p, v in stage._paramMap.items() if not _is_inherited(stage, p, v)})
    return f"{type(stage).__name__}({', '.join(f'{param.name}={_value(value)}' for param, value in values)})"


def _columns(stage: AnyStage, params: Sequence[str], roles: Sequence[str]) -> list[str]:
    """Return the columns that a stage reads or writes; for Spark ML's stages, those of well-known params."""
    if isinstance(stage, Shown):
        return [name for role in roles for name in stage._columns(role)]
    names: list[str] = []
    for param in params:
        if stage.hasParam(param) and stage.isDefined(param):
            value = stage.getOrDefault(param)
            names += value if isinstance(value, list) else [value]
    return [name for name in names if name]


def _children(stage: AnyStage) -> list[Any] | None:
    """Return the stages of a pipeline, fitted or not, or None for any other stage."""
    if isinstance(stage, Shown):
        return None
    if isinstance(stages := getattr(stage, "stages", None), list):
        return list(stages)
    if hasattr(stage, "getStages"):
        return list(stage.getStages()) if stage.isDefined("stages") else []
    return None


#: Overrides the table styles of notebooks. Colours are inherited from the theme, dark or light.
_STYLE = (
    "<style>"
    "div.mmlrs table{border-collapse:collapse;border:0;margin:2px 0;font-size:90%;color:inherit}"
    "div.mmlrs tr{background:none}"
    "div.mmlrs td{text-align:left;vertical-align:top;padding:1px 12px 1px 0;border:0}"
    "div.mmlrs ol{margin:0;padding-left:24px}div.mmlrs li{margin:4px 0}"
    "div.mmlrs .less{opacity:.6}"
    "</style>"
)


def _table(params: Sequence[tuple[Any, Any]]) -> str:
    rows = "".join(
        f'<tr><td title="{escape(param.doc)}">{escape(param.name)}</td><td><code>{escape(_value(value))}</code></td></tr>'
        for param, value in params
    )
    return f"<table><tbody>{rows}</tbody></table>"


def _flow(stage: AnyStage) -> str:
    """Return the input and output columns, with an arrow between them."""
    sides = [
        ", ".join(f"<code>{escape(name)}</code>" for name in columns)
        for columns in (_columns(stage, _READ, ["input"]), _columns(stage, _WRITTEN, ["output", "error"]))
    ]
    return f"<div>{sides[0]} &rarr; {sides[1]}</div>" if any(sides) else ""


def _html(stage: AnyStage) -> str:
    return f'{_STYLE}<div class="mmlrs">{_content(stage)}</div>'


def _content(stage: AnyStage) -> str:
    children = _children(stage)
    title = f'<b>{escape(type(stage).__name__)}</b> <span class="less">{escape(stage.uid)}</span>'
    if children is not None:
        items = "".join(f"<li>{_content(child)}</li>" for child in children)
        return f"{title}<ol>{items}</ol>"
    values = _params(stage, stage._paramMap)
    defaults = _params(stage, {p: v for p, v in stage._defaultParamMap.items() if p not in stage._paramMap})
    parts = [title, _flow(stage), _table(values) if values else ""]
    if defaults:
        count = f"{len(defaults)} default{'s' if len(defaults) > 1 else ''}"
        parts.append(f'<details><summary class="less">{count}</summary>{_table(defaults)}</details>')
    return "".join(parts)


def _text(stage: AnyStage, indent: str = "") -> str:
    children = _children(stage)
    if children is None:
        return indent + _line(stage)
    return "\n".join(
        [f"{indent}{type(stage).__name__}", *(_text(child, indent + "    ") for child in children)]
    )


class Shown(Params):
    """A stage whose `repr` shows the params that are set, and whose notebook table shows all params."""

    uid: str
    _columns: Callable[[str], list[str]]

    def __repr__(self) -> str:
        """Return the class name and the params that are set."""
        return _line(self)

    def __str__(self) -> str:
        """Return the uid, which identifies a stage in Spark's messages and params."""
        return self.uid

    def _repr_html_(self) -> str:
        """Return the HTML table for a notebook."""
        return _html(self)


class Description:
    """The result of `describe`: lines at a prompt, tables in a notebook."""

    def __init__(self, stage: AnyStage) -> None:
        self._stage = stage

    def __repr__(self) -> str:
        """Return one line per stage."""
        return _text(self._stage)

    def _repr_html_(self) -> str:
        """Return the HTML tables for a notebook."""
        return _html(self._stage)


def describe(stage: AnyStage) -> Description:
    """Show the stages of a pipeline, fitted or not, with their columns, the params that are set, and the defaults.

    Stages of mmlrs have this display themselves. This function provides it for pipelines and stages of Spark ML.

    Parameters
    ----------
    stage : Pipeline, PipelineModel or another stage
        A stage of Spark ML or of mmlrs.

    Returns
    -------
    Description
        Shown as lines at a prompt and as tables in a notebook. The tooltip of a param is its documentation.

    Raises
    ------
    InvalidParamError
        `stage` is not a stage.

    Examples
    --------
    >>> import mmlrs
    >>> from mmlrs.stages import SelectColumns
    >>> from pyspark.ml import Pipeline
    >>> mmlrs.describe(Pipeline(stages=[SelectColumns(cols=["a"])]))
    Pipeline
        SelectColumns(cols=['a'])
    """
    if not isinstance(stage, Params):
        raise InvalidParamError(
            f"describe: param `stage` must be a pipeline or another stage, got {shown(stage)}"
        )
    return Description(stage)
