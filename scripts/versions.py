"""Checks that all files agree on the versions of mmlrs, Python, Rust and the tools.

    python scripts/versions.py

Prints each place that disagrees. The exit status is then 1.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def first(pattern: str, text: str) -> str | None:
    """Return the first group of the first match."""
    match = re.search(pattern, text, re.MULTILINE)
    return None if match is None else match.group(1)


class Sources:
    """The files of a checkout that name versions."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cargo = self.toml("Cargo.toml")["workspace"]
        self.pyproject = self.toml("pyproject.toml")

    def text(self, path: str) -> str:
        """Return the text of a file."""
        return (self.root / path).read_text()

    def toml(self, path: str) -> dict[str, Any]:
        """Return the content of a TOML file."""
        return tomllib.loads(self.text(path))

    def of_mmlrs(self) -> Iterator[tuple[str, str | None]]:
        """Yield the places with the version of mmlrs, and the version in each."""
        yield "Cargo.toml: workspace.package.version", self.cargo["package"]["version"]
        yield (
            "mmlrs/__init__.py: __version__",
            first(r'^__version__ = "(.*)"$', self.text("mmlrs/__init__.py")),
        )
        for member in self.cargo["members"]:
            version = self.toml(f"{member}/Cargo.toml")["package"]["version"]
            inherited = version == {"workspace": True}
            yield (
                f"{member}/Cargo.toml: version",
                self.cargo["package"]["version"] if inherited else str(version),
            )
        for package in self.toml("Cargo.lock")["package"]:
            if package["name"].startswith("mmlrs-"):
                yield f"Cargo.lock: {package['name']}", package["version"]
        if (version := self.pyproject["project"].get("version")) is not None:
            yield "pyproject.toml: project.version", version
        # There is none before the first release. The version of the crates is raised with each release.
        if (released := first(r"^## \[(\d[^]]*)\]", self.text("CHANGELOG.md"))) is not None:
            yield "CHANGELOG.md: the newest release", released

    def of_python(self) -> Iterator[tuple[str, str | None]]:
        """Yield the places with the oldest supported Python version."""
        project, tools = self.pyproject["project"], self.pyproject["tool"]
        yield "pyproject.toml: requires-python", project["requires-python"].removeprefix(">=")
        yield "pyproject.toml: classifiers", first(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
        yield "pyproject.toml: tool.ruff.target-version", tools["ruff"]["target-version"].replace("py3", "3.")
        yield "pyproject.toml: tool.mypy.python_version", tools["mypy"]["python_version"]
        features = " ".join(self.cargo["dependencies"]["pyo3"]["features"])
        yield "Cargo.toml: features of pyo3", (first(r"abi3-py(3\d+)", features) or "").replace("3", "3.", 1)
        yield (
            "scripts/setup.sh: the first Python",
            first(r"Python of at least (3\.\d+)", self.text("scripts/setup.sh")),
        )
        yield "scripts/lock.sh: the Python", first(r"PYTHON:-python(3\.\d+)", self.text("scripts/lock.sh"))
        yield "README.md: installation", first(r"Python (3\.\d+) or newer", self.text("README.md"))

    def of_pyspark(self) -> Iterator[tuple[str, str | None]]:
        """Yield the places with the oldest supported PySpark version."""
        extra = " ".join(self.pyproject["project"]["optional-dependencies"]["spark"])
        yield "pyproject.toml: extra spark", first(r"pyspark\[connect\]>=(\d+\.\d+)", extra)
        supported = first(r"^_FIRST, _END = \((\d+, \d+)\)", self.text("mmlrs/engine/versions.py"))
        yield "mmlrs/engine/versions.py: _FIRST", supported and supported.replace(", ", ".")
        yield ".ci/run: the smoke tests", first(r"test-spark VERSION=(\d+\.\d+)", self.text(".ci/run"))
        yield "Makefile: VERSION", first(r"^VERSION \?= (\d+\.\d+)", self.text("Makefile"))

    def of_rust(self) -> Iterator[tuple[str, str | None]]:
        """Yield the places with the oldest Rust version that builds mmlrs."""
        yield "Cargo.toml: rust-version", self.cargo["package"]["rust-version"]
        yield "scripts/setup.sh: the hint", first(r"install Rust (\d+\.\d+)", self.text("scripts/setup.sh"))

    def of_maturin(self) -> Iterator[tuple[str, str | None]]:
        """Yield the places with the version of maturin."""
        requires = " ".join(self.pyproject["build-system"]["requires"])
        yield "pyproject.toml: build-system.requires", first(r"maturin==(\S+)", requires)
        yield "requirements-dev.in: maturin", first(r"^maturin\S*==(\S+)", self.text("requirements-dev.in"))

    def of_onnxruntime(self) -> Iterator[tuple[str, str | None]]:
        """Yield the places with the oldest ONNX Runtime version; the number of its API is that of the release."""
        extras = " ".join(self.pyproject["project"]["optional-dependencies"]["onnx"])
        yield "pyproject.toml: extra onnx", first(r"onnxruntime>=1\.(\d+)", extras)
        features = " ".join(self.cargo["dependencies"]["ort"]["features"])
        yield "Cargo.toml: features of ort", first(r"api-(\d+)", features)


def disagreements(root: Path) -> list[str]:
    """Return one line for each place whose version differs from the first place of its kind."""
    sources = Sources(root)
    lines = []
    for kind in (
        sources.of_mmlrs,
        sources.of_python,
        sources.of_pyspark,
        sources.of_rust,
        sources.of_maturin,
        sources.of_onnxruntime,
    ):
        (place, expected), *others = kind()
        lines += [
            f"{other}: {version or 'no version'}, but {place} is {expected}"
            for other, version in others
            if version != expected
        ]
    return lines


if __name__ == "__main__":
    lines = disagreements(ROOT)
    print("\n".join(lines), file=sys.stderr, end="\n" if lines else "")
    sys.exit(1 if lines else 0)
