"""The modules of the package import one another in one direction, at import time and later."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from places import ROOT

#: Groups of modules that import one another inside functions. None may come; one that is gone is deleted here.
KNOWN_CIRCLES: list[set[str]] = []

Graph = dict[str, set[str]]


@cache
def modules_of(package: Path) -> dict[str, ast.Module]:
    """Return the parsed modules of a package by their full names."""
    modules = {}
    for file in package.rglob("*.py"):
        parts = file.relative_to(package.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        modules[name] = ast.parse(file.read_text())
    return modules


def statements(node: ast.AST, in_functions: bool) -> Iterator[ast.stmt]:
    """Return the import statements below a node that run: those for type checkers never do."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            yield from statements(ast.Module(child.orelse, []), in_functions)
        elif in_functions or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from statements(child, in_functions)


def imported(statement: ast.stmt, modules: Mapping[str, object]) -> Iterator[str]:
    """Return the modules of the package that an import statement names.

    `from package import module` counts for the module alone: that a package runs before its modules is no choice of theirs.
    """
    if isinstance(statement, ast.Import):
        yield from (alias.name for alias in statement.names if alias.name in modules)
    elif isinstance(statement, ast.ImportFrom):
        assert statement.level == 0, f"a relative import: {ast.unparse(statement)}"
        for alias in statement.names:
            name = f"{statement.module}.{alias.name}"
            if name in modules:
                yield name
            elif statement.module in modules:
                yield str(statement.module)


def graph_of(package: Path, *, in_functions: bool) -> Graph:
    """Return which module of a package imports which."""
    modules = modules_of(package)
    return {
        name: {target for s in statements(tree, in_functions) for target in imported(s, modules)}
        for name, tree in modules.items()
    }


def circles(graph: Graph) -> list[set[str]]:
    """Return the groups of modules each of which imports, directly or not, every other of its group."""
    reached = {name: reachable(graph, name) for name in graph}
    groups = {
        frozenset(m for m in reached[name] if name in reached[m]) for name in graph if name in reached[name]
    }
    return sorted((set(group) for group in groups), key=sorted)


def reachable(graph: Graph, start: str) -> set[str]:
    """Return the modules that one imports, directly or not; itself too where a circle leads back."""
    found: set[str] = set()
    todo = list(graph[start])
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo.extend(graph[name])
    return found


def edges(graph: Graph, group: set[str]) -> str:
    """Return the imports within a group, one a line."""
    return "\n".join(
        f"{name} imports {target}" for name in sorted(group) for target in sorted(graph[name] & group)
    )


def test_no_module_waits_for_itself_at_import_time():
    graph = graph_of(ROOT / "mmlrs", in_functions=False)
    assert len(graph) > 50
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_imports_inside_functions_make_no_new_circle_either():
    graph = graph_of(ROOT / "mmlrs", in_functions=True)
    found = circles(graph)
    new = [group for group in found if group not in KNOWN_CIRCLES]
    gone = [sorted(group) for group in KNOWN_CIRCLES if group not in found]
    assert not new, "modules import one another in a circle:\n" + "\n\n".join(edges(graph, g) for g in new)
    assert not gone, f"a circle is gone or has become smaller; mend KNOWN_CIRCLES: {gone}"


@pytest.mark.parametrize(
    ("sources", "at_import", "in_functions"),
    [
        ({"a": "import p.b", "b": "x = 1"}, [], []),
        ({"a": "import p.b", "b": "from p import a"}, [{"p.a", "p.b"}], [{"p.a", "p.b"}]),
        ({"a": "from p.b import x", "b": "def f():\n    from p.a import y"}, [], [{"p.a", "p.b"}]),
        ({"a": "class A:\n    import p.b", "b": "try:\n    import p.a\nexcept ImportError: ..."},)
        + ([{"p.a", "p.b"}],) * 2,
        ({"a": "if TYPE_CHECKING:\n    import p.b", "b": "import p.a"}, [], []),
        ({"a": "if TYPE_CHECKING: ...\nelse:\n    import p.b", "b": "import p.a"},) + ([{"p.a", "p.b"}],) * 2,
        (
            {"a": "import p.b", "b": "import p.c", "c": "def f():\n    import p.a"},
            [],
            [{"p.a", "p.b", "p.c"}],
        ),
        ({"__init__": "from p.a import x", "a": "import p.b", "b": "import json"}, [], []),
    ],
    ids=["straight", "circle", "in a function", "in a class", "for types", "else", "of three", "a package"],
)
def test_a_circle_is_seen_where_it_is(tmp_path, sources, at_import, in_functions):
    (tmp_path / "p").mkdir()
    for name, text in sources.items():
        (tmp_path / "p" / f"{name}.py").write_text(textwrap.dedent(text))
    assert circles(graph_of(tmp_path / "p", in_functions=False)) == at_import
    assert circles(graph_of(tmp_path / "p", in_functions=True)) == in_functions
