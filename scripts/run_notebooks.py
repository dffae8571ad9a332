"""Runs the notebooks from top to bottom and stores their outputs: `make notebooks`.

The files contain nothing about the machine or the time: no timings and no versions. JVM output goes to the terminal.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
#: The beginning of cells that draw what has a licence of its own. Their plots are not stored.
NOT_STORED = "# Not stored:"
#: Metadata of the files, the same on every machine.
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def prepare(folder: Path) -> None:
    """Make kernels use only this folder and this Python, and start Spark without name resolution."""
    for name in (
        "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR",
    ):  # fmt: skip
        where = folder / name.lower()
        where.mkdir()
        os.environ[name] = str(where)
    for name in ("JUPYTER_PATH", "JUPYTER_CONFIG_PATH", "MPLBACKEND"):
        os.environ.pop(name, None)
    # Prefer the kernels of the environment to those of the machine.
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["MMLRS_PROGRESS"] = "0"  # bars name times, which differ between runs
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    # The stored outputs are those of data that every machine has.
    os.environ.setdefault("MMLRS_FASHION_MNIST", "none")


def run(source: Path, target: Path, folder: Path) -> None:
    """Run a notebook in an empty folder and write it with its outputs. If a cell fails, raise its error and write nothing."""
    notebook = nbformat.read(source, as_version=4)
    NotebookClient(
        notebook,
        timeout=300,
        startup_timeout=120,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        # Output and warnings of Python are stored; what the JVM writes to the file descriptors is not.
        extra_arguments=["--IPKernelApp.capture_fd_output=False"],
        resources={"metadata": {"path": str(folder)}},
    ).execute()
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({})
        if cell.source.startswith(NOT_STORED):
            for output in cell.outputs:
                output.get("data", {}).pop("image/png", None)
    nbformat.validate(notebook)
    nbformat.write(notebook, target)


def main() -> None:
    """Run the notebooks named on the command line, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all files of notebooks/")
    parser.add_argument("--output", type=Path, help="folder to write to; default: overwrite the notebooks")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        prepare(Path(scratch))
        for source in arguments.notebooks or sorted(NOTEBOOKS.glob("*.ipynb")):
            print(f"{source.name} ...", flush=True)
            folder = Path(scratch) / source.stem
            folder.mkdir()
            run(source, (arguments.output or source.parent) / source.name, folder)


if __name__ == "__main__":
    main()
