"""Compiled models as ONNX files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mmlrs._messages import shown
from mmlrs._paths import PathLike
from mmlrs._places import atomic_file
from mmlrs.compiled._definition import _VERSION
from mmlrs.compiled._networks import is_network
from mmlrs.compiled._onnx_categories import index_strings, value_of_index
from mmlrs.compiled._onnx_estimators import ESTIMATORS
from mmlrs.compiled._onnx_features import FEATURES
from mmlrs.compiled._onnx_graph import CannotExport, Column, Graph, Kind
from mmlrs.compiled._onnx_learners import LEARNERS
from mmlrs.compiled._onnx_step import Step
from mmlrs.errors import ColumnNotFoundError, InvalidParamError

__all__ = ["export", "write"]

_WHERE = "CompiledModel: to_onnx:"
_KINDS: dict[str, Callable[[Step], Any]] = {
    "index_strings": index_strings,
    **FEATURES,
    **ESTIMATORS,
    **LEARNERS,
}
#: Why a kind of definition has no operators, if not because it reads texts.
_WHY_NOT = {
    "name_slots": "an output of ONNX is no struct; choose the column of probabilities with `outputCols`"
}
#: The types of inputs, by their names in `inputs`.
_TYPES: dict[str, Kind] = {"string": "string", "double": "number", "long": "long"}


def export(
    stages: Sequence[Any], outputs: Sequence[str] | None, inputs: Mapping[str, str | int] | None
) -> bytes:
    """Return the stages of a compiled model as an ONNX model: see `CompiledModel.to_onnx`."""
    from mmlrs import __version__

    wanted = list(outputs) if outputs is not None else _answers(stages)
    work = _Export(_checked(inputs))
    kept = _needed(stages, wanted)
    for place, stage in enumerate(stages, 1):
        if any(stage is item for item in kept):
            try:
                work.add(stage)
            except CannotExport as error:
                raise InvalidParamError(
                    f"{_WHERE} stage {place} of {len(stages)}, {_named(stage)}, cannot be said in ONNX: {error}"
                ) from None
    try:
        content: bytes = work.finished(wanted, __version__).SerializeToString()
    except CannotExport as error:
        raise InvalidParamError(f"{_WHERE} {error}") from None
    return content


def write(path: PathLike, content: bytes, where: str = _WHERE) -> None:
    """Write a file that appears complete or not at all. `where` begins the messages of errors."""
    with atomic_file(where, path, remedy="; without a path the bytes are returned") as file:
        file.write(content)


def _checked(inputs: Mapping[str, str | int] | None) -> dict[str, str | int]:
    if inputs is None:
        return {}
    if not isinstance(inputs, Mapping):
        raise InvalidParamError(
            f"{_WHERE} param `inputs` must be a dict of columns and their types, got {shown(inputs)}"
        )
    for name, kind in inputs.items():
        size = isinstance(kind, int) and not isinstance(kind, bool) and kind > 0
        if not (size or (isinstance(kind, str) and kind in _TYPES)):
            raise InvalidParamError(
                f'{_WHERE} param `inputs`: the type of column `{name}` must be "string", "double", "long", or the size '
                f"of its vectors, got {shown(kind)}"
            )
    return dict(inputs)


def _kind_of(stage: Any) -> str | None:
    """Return the kind of a stage's definition, or None if it has none."""
    return _definition(stage).get("kind") if stage._stage == "CompiledStep" else None


def _definition(stage: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stage._value("definition").read())
    return found


def _named(stage: Any) -> str:
    origin = stage._value("origin") if stage._stage == "CompiledStep" else stage._stage
    return f"the {origin}"


def _inputs(stage: Any) -> list[str]:
    """Return the columns that a stage reads, in its order; with given levels `IndexToValue` needs no other column for them."""
    if stage.hasParam("inputCols") and stage._value("inputCols"):
        return list(stage._value("inputCols"))
    if stage._stage == "IndexToValue" and stage._value("levels") is not None:
        return [stage._value("inputCol")]
    return list(stage._columns("input"))


def _answers(stages: Sequence[Any]) -> list[str]:
    """Return the visible columns of the learners and their labels, or all visible columns if there is no learner."""
    added: list[str] = []
    answers: set[str] = set()
    for stage in stages:
        inputs, new = set(stage._columns("input")), list(stage._columns("output"))
        if stage._stage == "SelectColumns":
            added = [name for name in added if name in inputs]
        elif stage._stage == "DropColumns":
            added = [name for name in added if name not in inputs]
        elif stage._stage == "RenameColumn":
            added = [new[0] if name in inputs else name for name in added]
            answers |= set(new) if inputs & answers else set()
        else:
            added += new
            of_label = stage._stage == "IndexToValue" and stage._value("inputCol") in answers
            if of_label or _kind_of(stage) in LEARNERS or is_network(stage):
                answers |= set(new)
    return [name for name in added if name in answers] or added


def _needed(stages: Sequence[Any], wanted: Sequence[str]) -> list[Any]:
    """Return the stages that the columns depend on, those that drop rows, and those that rename columns."""
    names, kept = set(wanted), []
    for stage in reversed(stages):
        if stage._stage in ("SelectColumns", "DropColumns"):
            continue
        outputs = set(stage._columns("output"))
        drops = stage.hasParam("handleInvalid") and stage._value("handleInvalid") == "skip"
        # As on data without the label, an indexer that no other stage needs does nothing.
        label = stage._stage == "CompiledStep" and stage._value("origin") == "StringIndexerModel"
        if outputs & names or (drops and not label):
            kept.append(stage)
            names = (names - outputs) | set(_inputs(stage))
    return kept


class _Export:
    """The columns so far."""

    def __init__(self, inputs: dict[str, str | int]) -> None:
        self.graph = Graph()
        self.inputs = inputs
        #: The computed columns, and those that are inputs under another name.
        self.columns: dict[str, Column | str] = {}
        self.dropped: frozenset[str] = frozenset()

    def add(self, stage: Any) -> None:
        """Append the operators of a stage."""
        names, outputs = _inputs(stage), list(stage._columns("output"))
        if stage._stage in ("RenameColumn", "Identity"):
            self.columns[outputs[0]] = self.columns.get(names[0], names[0])
            return
        definition = _definition(stage) if stage._stage == "CompiledStep" else {}
        if definition and definition.pop("version", None) != _VERSION:
            raise CannotExport("its definition has a version that the export does not know")
        kind = "assemble" if stage._stage == "FastVectorAssembler" else definition.pop("kind", None)
        step = Step(self.graph, stage, names, self._column, definition)
        if stage._stage == "IndexToValue":
            named = self.columns.get(stage._value("labelCol") or stage._value("inputCol"))
            value_of_index(step, named.levels if isinstance(named, Column) else None)
        elif is_network(stage):
            from mmlrs.ann._onnx import add_network

            add_network(step)
        elif kind in _KINDS:
            _KINDS[kind](step)
        elif kind is not None:
            raise CannotExport(_WHY_NOT.get(kind, "ONNX has no operators that do the same with texts"))
        else:
            raise CannotExport(
                "only fitted models of other libraries, networks of mmlrs.ann, FastVectorAssembler, IndexToValue and stages "
                "that name columns can be exported"
            )
        made = step.columns()
        self.columns |= dict(zip(outputs, made, strict=False))
        if step.policy == "skip":
            self.dropped |= made[0].refused

    def _column(self, name: str, kind: Kind | None, size: int | None) -> Column:
        """Return a column; `kind` and `size` are those of an input that nobody declared."""
        found = self.columns.get(name, name)
        if isinstance(found, Column):
            return found
        given = self.inputs.get(found)
        if given is not None:
            kind, size = (_TYPES[given], 1) if isinstance(given, str) else ("vector", given)
        example = f"set `inputs` to it, for instance {{{found!r}: "
        if kind is None:
            raise CannotExport(f'the type of column `{found}` is unknown; {example}"double"}}')
        if kind == "vector" and size is None and found not in self.graph.read():
            raise CannotExport(f"the size of the vectors of column `{found}` is unknown; {example}10}}")
        return self.graph.source(found, kind, (size or 1) if kind == "vector" else 1)

    def finished(self, wanted: Sequence[str], version: str) -> Any:
        """Return the model."""
        sources = self.graph.read()
        unread = [name for name in self.inputs if name not in sources]
        if unread:
            raise InvalidParamError(
                f"{_WHERE} param `inputs` names column `{unread[0]}`, which the model does not read for its outputs; it "
                f"reads {', '.join(f'`{name}`' for name in sources)}"
            )
        chosen: dict[str, Column] = {}
        for name in wanted:
            if name not in self.columns:
                raise ColumnNotFoundError(
                    f"{_WHERE} column `{name}` is not among those that can be said in ONNX; there are "
                    + ", ".join(f"`{known}`" for known in self.columns)
                )
            if name in sources:
                raise InvalidParamError(
                    f"{_WHERE} column `{name}` is an input and an output; choose the outputs with `outputCols`"
                )
            chosen[name] = self._column(name, None, None)
        refused = self.dropped.union(*(column.refused for column in chosen.values()))
        return self.graph.finished(chosen, self.graph.any_of(sorted(refused)), version)
