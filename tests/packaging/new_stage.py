"""A stage is a file and a line: one is added to a copy of the sources as CONTRIBUTING says, and keeps the contract.

The copy lies in `target/new-stage` and is built in the target folder of the sources, so that only the crates of the workspace
are compiled, without optimization. It takes a minute or two, so `make new-stage` runs it and `make test` does not.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from places import ROOT

import mmlrs

COPY = ROOT / "target" / "new-stage"
#: That of the other builds, so that the crates that the project uses are not compiled again.
PROFILE = os.environ.get("BUILD_PROFILE", "release")
#: What building, generating and saving need.
NEEDED = re.compile(
    r"(\.cargo|docs|mmlrs|rust|scripts|tests/golden)/|Cargo\.|pyproject\.toml|README\.md|LICENSE|rustfmt"
)

STAGE = """//! `Shout`.

use std::sync::Arc;

use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, Schema};
use mmlrs_core::{Block, Column, Context, HasSample, Output, Result, RowPolicy, Sample, Transform};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::column::{TextWriter, Texts, reject_nulls};

/// Writes texts in capital letters.
///
/// A letter without a capital stays as it is.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "text",
    example = r#"import pyarrow as pa
from mmlrs.text import Shout

assert Shout(inputCol="a", outputCol="b").transform(pa.table({"a": ["hey"]}))["b"].to_pylist() == ["HEY"]
"#
)]
pub struct Shout {
    /// Name of the column of texts.
    #[param(required, non_empty, role = input, accepts(text))]
    input_col: String,
    /// Name of the column of capital letters to add.
    #[param(default = uid("_output"), role = output, non_empty)]
    output_col: String,
    #[param(group)]
    policy: RowPolicy,
}

impl Transform for Shout {
    fn output_fields(&self, _input: &Schema) -> Result<Vec<Field>> {
        Ok(vec![Field::new(&self.output_col, DataType::Utf8, true)])
    }

    fn transform(&self, block: &Block, cx: &Context) -> Result<Output> {
        let texts = Texts::new(&self.input_col, &block.column(&self.input_col)?.to_arrow(cx)?)?;
        let nulls = |row| texts.is_null(row);
        let rejects = reject_nulls(&self.input_col, texts.len(), self.policy.handle_invalid, nulls)?;
        let mut out = TextWriter::default();
        for row in 0..texts.len() {
            out.text().push_str(&texts.row(row).unwrap_or_default().to_uppercase());
            out.end();
        }
        let valid: NullBuffer = (0..texts.len()).map(|row| !texts.is_null(row)).collect::<Vec<bool>>().into();
        let array = out.finish(Some(valid))?;
        Ok(Output { columns: vec![Column::arrow(Arc::new(array))], invalid: rejects.into_rows() })
    }
}

impl HasSample for Shout {
    fn sample() -> Sample {
        Sample::new(json!({"inputCol": "text", "outputCol": "loud"}), crate::sample::text_batch())
    }
}
"""

CHECK = """
import json
import mmlrs.text
from mmlrs.testing import check_stage, sample_stage
report = check_stage(*sample_stage(mmlrs.text.Shout))
print(json.dumps([list(report.passed), mmlrs.text.__all__]))
"""


def sources(folder: Path) -> dict[str, bytes]:
    """Return the files of the sources, or of their copy, by path."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    if folder == COPY:
        names = [str(path.relative_to(COPY)) for path in COPY.rglob("*") if path.is_file()]
    chosen = [
        name
        for name in names
        if NEEDED.match(name) and "__pycache__" not in name and not name.endswith(".so")
    ]
    return {name: (folder / name).read_bytes() for name in chosen if (folder / name).is_file()}


def write(files: dict[str, bytes]) -> None:
    """Make the copy hold these files; one that is the same already is not touched, for cargo compares times."""
    for name in sources(COPY).keys() - files.keys():
        (COPY / name).unlink()
    for folder in sorted((path for path in COPY.rglob("*") if path.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()
    for name, content in files.items():
        path = COPY / name
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def with_a_version_of_their_own(files: dict[str, bytes]) -> list[str]:
    """Change the version of the crates and return their names: cargo would take those of the sources for the same ones."""
    workspace = tomllib.loads(files["Cargo.toml"].decode())["workspace"]
    version = workspace["package"]["version"]
    crates = [f"mmlrs-{Path(member).name}" for member in workspace["members"]]
    own = f'version = "{version}+new-stage"'.encode()
    files["Cargo.toml"] = files["Cargo.toml"].replace(f'version = "{version}"'.encode(), own, 1)
    for crate in crates:
        entry = f'name = "{crate}"\nversion = "{version}"'.encode()
        files["Cargo.lock"] = files["Cargo.lock"].replace(entry, f'name = "{crate}"\n'.encode() + own, 1)
    return crates


def run(*command: str) -> str:
    """Run a command in the copy and return what it prints."""
    environment = {**os.environ, "CARGO_TARGET_DIR": str(ROOT / "target"), "PYTHONPATH": str(COPY)}
    done = subprocess.run(command, cwd=COPY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def added() -> dict[str, bytes]:
    """Add the stage, build, and return the files of the copy."""
    files = sources(ROOT)
    listed = "rust/text/src/stages/mod.rs"
    files[listed] = files[listed].replace(b"stages! {\n", b"stages! {\n    shout: transform Shout;\n")
    files["rust/text/src/stages/shout.rs"] = STAGE.encode()
    crates = with_a_version_of_their_own(files)
    write(files)
    fast = [
        word for crate in crates for word in ("--config", f"profile.{PROFILE}.package.{crate}.opt-level=0")
    ]
    run("cargo", "run", "--profile", PROFILE, "--locked", "--quiet", *fast, "--bin", "mmlrs-codegen")
    wheels = COPY / "wheels"
    run(
        "maturin",
        "build",
        "--profile",
        PROFILE,
        "--locked",
        "--quiet",
        "--auditwheel",
        "skip",
        *fast,
        "--out",
        str(wheels),
    )
    with zipfile.ZipFile(max(wheels.glob("*.whl"), key=lambda path: path.stat().st_mtime)) as wheel:
        wheel.extract("mmlrs/_native.abi3.so", COPY)
    run(sys.executable, "scripts/save_golden.py")
    return sources(COPY)


def test_a_file_and_a_line_are_all_that_is_written_by_hand(added):
    before = sources(ROOT)
    changed = {name for name in added if added[name] != before.get(name)}
    golden = f"tests/golden/{mmlrs.__version__}/Shout/"
    generated = (golden, "mmlrs/_generated/", "docs/reference/", "Cargo.")
    written = {name for name in changed if not name.startswith(generated)}
    assert written == {"rust/text/src/stages/shout.rs", "rust/text/src/stages/mod.rs"}
    assert any(name.startswith(golden) for name in changed)
    assert {"mmlrs/_generated/text.py", "docs/reference/text.md"} <= changed


def test_contributing_names_them():
    steps = (ROOT / "CONTRIBUTING.md").read_text().partition("## Add a stage")[2].partition("\n## ")[0]
    for step in (
        "rust/<crate>/src/stages/<stage>.rs",
        "rust/<crate>/src/stages/mod.rs",
        "make golden",
        "make docs",
    ):
        assert f"`{step}`" in steps
    assert "`<stage>: transform MyStage;`" in steps


def test_the_stage_is_public_and_keeps_its_contract(added):
    passed, names = json.loads(run(sys.executable, "-c", CHECK).splitlines()[-1])
    assert "Shout" in names
    assert len(passed) > 15  # a check that fails is an error
