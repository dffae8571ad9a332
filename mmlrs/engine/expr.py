"""What a column is computed from: native stages over source columns, and the program that computes it."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from mmlrs._native import Blob, nearest
from mmlrs.errors import ColumnNotFoundError, SchemaMismatchError

__all__ = [
    "Compiled",
    "Expr",
    "Node",
    "Source",
    "Value",
    "check_new",
    "check_once",
    "compile_program",
    "first_source",
    "folded",
    "plain",
    "quoted",
    "resolve",
    "resolve_all",
    "sources_of",
]


@dataclass(frozen=True)
class Source:
    """A plain column of the dataset.

    `vector` says that it holds Spark ML vectors that stay as they are, sparse ones and doubles, rather than become lists
    of floats.
    """

    column: str
    vector: bool = False


@dataclass(frozen=True)
class Node:
    """One native stage with its inputs bound."""

    stage: str
    uid: str
    params: str
    inputs: tuple[tuple[str, Expr], ...]
    #: The models and files that it needs, held for as long as somebody has the node.
    blobs: tuple[Blob, ...] = dataclasses.field(default=(), compare=False)

    def __hash__(self) -> int:
        """Leave the inputs out: they can be thousands, and the hash is asked for once per output column."""
        return hash((self.stage, self.uid, self.params))


@dataclass(frozen=True)
class Value:
    """A column that a node makes, with its Arrow field; without a name, its `errors` or its `mask`."""

    node: Node
    column: str | None
    what: str | None = None
    field: pa.Field = dataclasses.field(default=None, compare=False)


Expr = Source | Value


@dataclass(frozen=True)
class Compiled:
    """A program as the native core reads it, with the columns it reads and the blobs it needs."""

    text: str
    sources: tuple[Source, ...]
    blobs: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the source columns."""
        return tuple(source.column for source in self.sources)


def compile_program(outputs: Iterable[Expr]) -> Compiled:
    """Lay out the nodes behind `outputs`, each once, in an order in which every node follows its inputs."""
    sources: dict[Source, int] = {}
    nodes: dict[Node, int] = {}
    laid_out: list[dict[str, object]] = []

    def reference(expr: Expr) -> dict[str, object]:
        if isinstance(expr, Source):
            return {"source": sources.setdefault(expr, len(sources))}
        index = place(expr.node)
        return {"column": [index, expr.column]} if expr.column is not None else {str(expr.what): index}

    def place(node: Node) -> int:
        if node not in nodes:
            inputs = {name: reference(expr) for name, expr in node.inputs}
            laid_out.append({"stage": node.stage, "uid": node.uid, "params": node.params, "inputs": inputs})
            nodes[node] = len(laid_out) - 1
        return nodes[node]

    references = [reference(expr) for expr in outputs]
    text = json.dumps({"sources": len(sources), "nodes": laid_out, "outputs": references})
    blobs = tuple(dict.fromkeys(blob.sha256 for node in nodes for blob in node.blobs))
    return Compiled(text, tuple(sources), blobs)


def first_source(node: Node) -> Source:
    """Return a plain column behind a node."""
    for _, expr in node.inputs:
        return expr if isinstance(expr, Source) else first_source(expr.node)
    raise AssertionError(f"{node.stage} reads no column")


def sources_of(expr: Expr) -> set[str]:
    """Return the plain columns behind an expression."""
    if isinstance(expr, Source):
        return {expr.column}
    return set().union(*(sources_of(e) for _, e in expr.node.inputs))


def plain(name: str) -> str:
    """Return a name that every stage of Spark ML reads as one column: without dots, spaces and quotes."""
    return re.sub(r"\W", "_", name)


def quoted(name: str) -> str:
    """Return a column's name as SQL spells it."""
    return "`" + name.replace("`", "``") + "`"


def folded(name: str, ignore_case: bool) -> str:
    """Return what two names that mean the same column have in common."""
    return name.lower() if ignore_case else name


def resolve(name: str, columns: Iterable[str], stage: str, *, ignore_case: bool = False) -> str:
    """Return the column called `name`, or raise an error that names the stage and what there is."""
    return resolve_all([name], columns, stage, ignore_case=ignore_case)[0]


def resolve_all(
    names: Iterable[str], columns: Iterable[str], stage: str, *, ignore_case: bool = False
) -> list[str]:
    """Return the columns called `names`, as `resolve` does each."""
    found: dict[str, list[str]] = {}
    listed = list(columns)
    for column in listed:
        found.setdefault(folded(column, ignore_case), []).append(column)
    resolved = []
    for name in names:
        matches = found.get(folded(name, ignore_case), [])
        if not matches:
            raise _missing(name, listed, stage)
        if len(matches) > 1:
            raise _ambiguous(name, matches, stage)
        resolved += matches
    return resolved


def check_new(names: Iterable[str], columns: Iterable[str], stage: str, *, ignore_case: bool = False) -> None:
    """Fail where one of the columns to write is there already."""
    taken = {folded(column, ignore_case) for column in columns}
    for name in names:
        if folded(name, ignore_case) in taken:
            raise SchemaMismatchError(f"{stage}: column `{name}`: exists already")


def check_once(columns: Iterable[str], stage: str, *, ignore_case: bool = False) -> None:
    """Fail where two columns have one name, for a stage that reads or names them all."""
    listed = list(columns)
    resolve_all(listed, listed, stage, ignore_case=ignore_case)


def _missing(name: str, columns: list[str], stage: str) -> ColumnNotFoundError:
    near = nearest(name, columns)
    hint = "" if near is None else f" (did you mean `{near}`?)"
    return ColumnNotFoundError(
        f"{stage}: column `{name}`: not found{hint}; the columns are {_shown(columns)}"
    )


def _ambiguous(name: str, matches: list[str], stage: str) -> SchemaMismatchError:
    if len(set(matches)) == 1:
        return SchemaMismatchError(
            f"{stage}: column `{name}`: {len(matches)} columns have this name; rename all but one, or drop them"
        )
    return SchemaMismatchError(
        f"{stage}: column `{name}`: may be any of {_shown(matches)}; rename all but one, or set "
        "spark.sql.caseSensitive to true"
    )


def _shown(names: list[str]) -> str:
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return (", ".join(f"`{n}`" for n in names[:12]) or "none") + more


def bind(
    stage: str,
    inputs: Iterable[str],
    lineage: Mapping[str, Expr],
    columns: Iterable[str],
    *,
    ignore_case: bool,
    vectors: Collection[str] = (),
) -> tuple[tuple[str, Expr], ...]:
    """Bind a stage's input columns: to what the lineage knows of them, else to the plain column.

    `vectors` are the columns whose Spark ML vectors stay as they are.
    """
    names = list(inputs)
    found = resolve_all(names, columns, stage, ignore_case=ignore_case)
    return tuple(
        (name, lineage.get(column, Source(column, column in vectors)))
        for name, column in zip(names, found, strict=True)
    )
