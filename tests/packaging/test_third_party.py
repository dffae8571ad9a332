"""The licences in the wheel are those of what is linked, with the terms of C libraries inside crates."""

from __future__ import annotations

import places
import pytest


@pytest.fixture(scope="module")
def script():
    return places.script("third_party")


def package(name: str, kind: str = "lib", source: str | None = "registry") -> dict:
    return {"id": name, "name": name, "source": source, "targets": [{"kind": [kind]}]}


def depends(name: str, **kinds: str | None) -> dict:
    deps = [{"pkg": pkg, "dep_kinds": [{"kind": kind}]} for pkg, kind in kinds.items()]
    return {"id": name, "deps": deps}


def test_builds_macros_and_crates_of_the_workspace_are_left_out(script):
    metadata = {
        "packages": [
            package("mmlrs-python", source=None),
            package("core", source=None),
            package("linked"),
            package("below"),
            package("builds"),
            package("macros", kind="proc-macro"),
            package("syntax"),
        ],
        "resolve": {
            "nodes": [
                depends("mmlrs-python", core=None, macros=None),
                depends("core", linked=None, builds="build"),
                depends("linked", below=None),
                depends("below", linked=None),
                depends("builds"),
                depends("macros", syntax=None),
                depends("syntax"),
            ]
        },
    }
    assert [one["name"] for one in script.linked(metadata)] == ["below", "linked"]


def test_terms_are_found_in_a_crate_and_one_folder_below(script, tmp_path):
    (tmp_path / "LICENSE-MIT").write_text("MIT")
    (tmp_path / "license.rs").write_text("code")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "lib.rs").write_text("code")
    (tmp_path / "zlib").mkdir()
    (tmp_path / "zlib" / "COPYING").write_text("zlib")
    assert list(script.texts_of(tmp_path)) == [("LICENSE-MIT", "MIT"), ("zlib/COPYING", "zlib")]
