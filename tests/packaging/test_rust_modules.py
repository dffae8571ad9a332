"""The files and folders of a Rust crate do not use each other in circles; `rust_modules` says what counts."""

from pathlib import Path

import pytest
from places import ROOT
from rust_modules import Crate

CRATES = sorted(path.parent.name for path in (ROOT / "rust").glob("*/Cargo.toml"))


@pytest.fixture
def crate(tmp_path: Path):
    """Builds a crate of the files that a test gives by name."""

    def build(**files: str) -> Crate:
        for name, text in files.items():
            path = tmp_path / f"{name.replace('__', '/')}.rs"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        return Crate(tmp_path)

    return build


@pytest.mark.parametrize("name", CRATES)
def test_the_files_of_a_crate_use_each_other_in_no_circle(name):
    crate = Crate(ROOT / "rust" / name / "src")
    assert sum(map(len, crate.edges.values())) >= len(crate.sources) - 1  # the sources were understood
    assert crate.circles() == []
    assert crate.folder_circles() == []


def test_two_folders_that_use_each_other_by_different_files_are_a_circle(crate):
    files = {
        "lib": "mod a;\nmod b;",
        "a__mod": "pub mod one;\npub mod two;",
        "a__one": "use crate::b::three::C;",
        "a__two": "pub struct B;",
        "b__mod": "pub mod three;\npub mod four;",
        "b__three": "pub struct C;",
        "b__four": "use crate::a::two::B;",
    }
    found = crate(**files)
    assert (found.circles(), found.folder_circles()) == ([], [["crate::a", "crate::b"]])


def test_two_files_that_use_each_other_are_a_circle(crate):
    found = crate(
        lib="mod a;\nmod b;", a="use crate::b::{C, D as E};\npub struct A;", b="pub fn f(_: crate::a::A) {}"
    )
    assert found.circles() == [["crate::a", "crate::b"]]


def test_a_re_export_is_no_edge_and_no_way_around_one(crate):
    files = {
        "lib": "mod a;\nmod b;\npub use a::A;\npub use b::*;",
        "a": "pub struct A;",
        "b": "use crate::A;\npub fn f() {}",
    }
    assert crate(**files).circles() == []
    assert crate(**files | {"a": "pub struct A;\nfn g() { crate::f(); }"}).circles() == [
        ["crate::a", "crate::b"]
    ]


def test_a_parent_that_calls_its_child_and_defines_what_the_child_uses_is_a_circle(crate):
    files = {"lib": "mod a;\npub struct Shared;\nfn f() { a::g() }", "a": "use super::Shared;\npub fn g() {}"}
    assert crate(**files).circles() == [["crate", "crate::a"]]


def test_a_module_that_is_imported_counts_by_what_is_taken_from_it(crate):
    files = {
        "lib": "mod a;\nmod b;\nmod c;",
        "a": "use crate::{b, c};\nfn f() { b::g(); }\npub fn h() {}",
        "b": "pub fn g() { crate::c::i() }",
        "c": "pub fn i() {}\npub fn j() { super::b::g() }",
    }
    assert crate(**files).circles() == [["crate::b", "crate::c"]]


def test_tests_comments_and_the_list_of_stages_make_no_edge(crate):
    files = {
        "lib": "pub mod stages;",
        "stages__mod": "core::stages! {\n    a: fit A, transform B;\n}",
        "stages__a": "#[cfg(test)]\nmod tests;\nuse super::b::C;\npub struct A;",
        "stages__b": "// crate::stages::a::A\npub struct C;\n#[cfg(test)]\nmod tests { use super::super::a::A; fn f() {} }",
        "stages__tests": "use super::a::A;",
    }
    assert crate(**files).circles() == []
