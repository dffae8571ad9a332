"""Expressions of columns, native stages over source columns, and the programs that compute them."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from mmlrs import _native
from mmlrs.engine.callers import Owner

__all__ = [
    "Compiled",
    "Expr",
    "Node",
    "Source",
    "Value",
    "compile_program",
    "first_source",
    "plain",
    "quoted",
    "sources_of",
]


@dataclass(frozen=True)
class Source:
    """A plain column of the dataset.

    With `vector`, its Spark ML vectors are passed unchanged, sparse or dense, in double precision. Otherwise they become lists
    of floats.
    """

    column: str
    vector: bool = False


@dataclass(frozen=True)
class Node:
    """A native stage with bound inputs."""

    stage: str
    uid: str
    params: str
    inputs: tuple[tuple[str, Expr], ...]
    #: The models and files that the stage needs; the node keeps them in memory.
    blobs: tuple[_native.Blob, ...] = dataclasses.field(default=(), compare=False)
    #: The stage that errors name instead.
    owner: Owner | None = dataclasses.field(default=None, compare=False)

    def __hash__(self) -> int:
        """Leave out the inputs: there can be thousands, and each output column needs the hash."""
        return hash((self.stage, self.uid, self.params))


@dataclass(frozen=True)
class Value:
    """A column that a node computes, with its Arrow field; without a name, the node's `errors` or `mask`."""

    node: Node
    column: str | None
    what: str | None = None
    field: pa.Field = dataclasses.field(default=None, compare=False)


Expr = Source | Value


@dataclass(frozen=True)
class Compiled:
    """A program for the native core, with the columns that it reads and the blobs that it needs."""

    text: str
    sources: tuple[Source, ...]
    #: The names of the source columns, plain and quoted for SQL.
    columns: tuple[str, ...]
    quoted: tuple[str, ...]
    #: As in the nodes: they stay in memory until the program is sent, even if the nodes are gone.
    blobs: tuple[_native.Blob, ...]
    #: The beginnings of the errors of stages that have an owner, with the stage and the owner.
    owners: tuple[tuple[str, str, Owner], ...] = ()


def compile_program(outputs: Iterable[Expr]) -> Compiled:
    """Compile the nodes behind `outputs`, each once and after its inputs."""
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
    blobs = {blob.sha256: blob for node in nodes for blob in node.blobs}
    columns = tuple(source.column for source in sources)
    return Compiled(
        text,
        tuple(sources),
        columns,
        tuple(map(quoted, columns)),
        tuple(blobs.values()),
        _owners(list(nodes)),
    )


def _owners(nodes: list[Node]) -> tuple[tuple[str, str, Owner], ...]:
    """Return the beginnings of the errors of the nodes with an owner: the stage, and a column if there are more of its kind."""
    kinds = [node.stage for node in nodes]
    found = []
    for node in nodes:
        if node.owner is None:
            continue
        alone = kinds.count(node.stage) == 1
        starts = [""] if alone else [f"column `{name}`" for name, _ in node.inputs]
        found += [(f"{node.stage}: {start}", node.stage, node.owner) for start in starts]
    return tuple(found)


def first_source(node: Node) -> Source:
    """Return a plain column behind a node."""
    for _, expr in node.inputs:
        return expr if isinstance(expr, Source) else first_source(expr.node)
    raise AssertionError(f"{node.stage} reads no column")


def sources_of(expr: Expr) -> set[str]:
    """Return the plain columns behind an expression. Each node is visited once: the columns of a chain share their nodes."""
    columns: set[str] = set()
    visited: set[int] = set()
    waiting = [expr]
    while waiting:
        expr = waiting.pop()
        if isinstance(expr, Source):
            columns.add(expr.column)
        elif id(expr.node) not in visited:
            visited.add(id(expr.node))
            waiting += [e for _, e in expr.node.inputs]
    return columns


def plain(name: str) -> str:
    """Return a name without dots, spaces and quotes, which all stages of Spark ML accept."""
    return re.sub(r"\W", "_", name)


def literal(text: str) -> str:
    """Return a text as a literal of SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def quoted(name: str) -> str:
    """Return a column name quoted for SQL."""
    return "`" + name.replace("`", "``") + "`"
