"""The notebooks run from top to bottom, and what they show is in the files: a reader need not run them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from places import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
#: In bytes; a page with plots is far below, one with a raw table is not.
LARGEST = 400 * 1024


def read(path: Path) -> Any:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def code_of(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shape(cell: Any) -> list[tuple[str, ...]]:
    """The kinds of the outputs of a cell and their formats: what does not depend on numbers."""
    return [(o.output_type, *(sorted(o.data) if "data" in o else [o.get("name", "")])) for o in cell.outputs]


def name_of(path: Path) -> str:
    return path.stem


def test_the_notebooks_are_numbered_and_the_first_ones_are_there():
    names = [path.name for path in NOTEBOOKS]
    first = {
        "01-train-classifier.ipynb",
        "02-text-and-featurize.ipynb",
        "03-tune-and-compare.ipynb",
        "04-transfer-learning.ipynb",
        "05-camera-traps.ipynb",
        "06-serve-with-sql-and-streaming.ipynb",
        "07-train-networks.ipynb",
    }
    assert first <= set(names)
    assert all(re.match(r"\d\d-[a-z]", name) for name in names)
    assert len({name[:2] for name in names}) == len(names)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_a_committed_notebook_was_run_in_order_without_errors_or_warnings(path):
    notebook = read(path)
    assert [cell.execution_count for cell in code_of(notebook)] == list(range(1, len(code_of(notebook)) + 1))
    for cell in code_of(notebook):
        for output in cell.outputs:
            assert output.output_type != "error", cell.source
            assert output.get("name") != "stderr", output.text
    assert any("image/png" in output.get("data", {}) for cell in code_of(notebook) for output in cell.outputs)
    assert path.stat().st_size < LARGEST


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_a_committed_notebook_names_no_machine_and_no_time(path):
    notebook = read(path)
    assert notebook.metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    assert all(cell.metadata == {} for cell in notebook.cells)
    text = path.read_text()
    for trace in ("/home/", "/tmp/", "/root/", "site-packages", " at 0x"):
        assert trace not in text, trace


def test_the_table_of_packages_has_the_same_columns_with_and_without_dpkg():
    notebook = read(ROOT / "notebooks" / "02-text-and-featurize.ipynb")
    [source] = [cell.source for cell in code_of(notebook) if "def debian_packages" in cell.source]
    names: dict[str, Any] = {"re": re, "distributions": distributions, "libraries": {"libs"}}
    exec(source.partition("\n\nlibraries = ")[0], names)
    status = (
        "Package: a\nStatus: install ok installed\nPriority: optional\nSection: libs\nInstalled-Size: 12\n"
        "Depends: b (>= 2), c\nDescription: reads maps\n and\n .\n writes them\nHomepage: x\n\n"
        "Package: b\nSection: contrib/net\nDescription: short\n"
    )
    first, second = names["debian_packages"](status)
    assert first == {
        "description": "reads maps and . writes them",
        "priority": "optional",
        "kilobytes": 12.0,
        "depends": 2.0,
        "kind": "library",
    }
    assert (second["kind"], second["priority"], second["depends"]) == ("other", "not stated", None)
    assert np.isnan(second["kilobytes"])
    python = list(names["python_packages"]())
    assert all(row.keys() == first.keys() for row in python)
    assert {row["kind"] for row in python} == {"library", "other"}


def environment_of(path: Path) -> dict[str, str]:
    """The environment of a notebook. Spark's long trainings are worth compiling, unlike the queries of the other tests."""
    ours = {"JDK_JAVA_OPTIONS": "-XX:+UseSerialGC", "PYSPARK_SUBMIT_ARGS": "pyspark-shell"}
    return {**os.environ, **(ours if path.stem == "05-camera-traps" else {})}


@pytest.mark.slow
@pytest.mark.spark
@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_a_notebook_runs_and_shows_what_the_committed_one_shows(path, tmp_path):
    command = [sys.executable, ROOT / "scripts" / "run_notebooks.py", path, "--output", tmp_path]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment_of(path), capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stderr[-6000:]
    made, committed = read(tmp_path / path.name), read(path)
    assert [cell.source for cell in made.cells] == [cell.source for cell in committed.cells]
    for new, old in zip(code_of(made), code_of(committed), strict=True):
        assert shape(new) == shape(old), (
            f"run `make notebooks`: the outputs of this cell are others now\n{new.source}"
        )
