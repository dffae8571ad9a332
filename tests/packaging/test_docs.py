"""What the documentation says is so: its examples run, its links lead somewhere, the docstrings' examples are right."""

from __future__ import annotations

import doctest
import importlib
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from places import ROOT

import mmlrs
from mmlrs.base import stage_specs
from mmlrs.testing import sample_model

PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))]
LANGUAGES = {"", "python", "sh", "json", "sql", "text", "toml", "rust", "make", "yaml"}

FENCE = re.compile(r"^```(?P<language>\w*)(?P<marks>[^\n`]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    marks: tuple[str, ...]
    code: str
    line: int

    @property
    def runs(self) -> bool:
        return self.language == "python" and "no-run" not in self.marks

    def placed(self) -> str:
        """The code with lines before it, so that an error names the line of the page."""
        return "\n" * self.line + self.code


def blocks(page: Path) -> list[Block]:
    text = page.read_text()
    return [
        Block(m["language"], tuple(m["marks"].split()), m["code"], text.count("\n", 0, m.start("code")))
        for m in FENCE.finditer(text)
    ]


def programs() -> list[tuple[Path, list[Block]]]:
    """The pages with examples, and these."""
    found = ((page, [block for block in blocks(page) if block.runs]) for page in PAGES)
    return [(page, run) for page, run in found if run]


def starts_spark(run: list[Block]) -> bool:
    return any("SparkSession.builder" in block.code for block in run)


def name_of(page: object) -> str:
    return str(page.relative_to(ROOT)) if isinstance(page, Path) else ""


@pytest.fixture(autouse=True)
def _closed_figures() -> Iterator[None]:
    """Matplotlib warns of many open figures."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


# -- examples ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def model_path(tmp_path) -> str:
    path = tmp_path / "model.onnx"
    path.write_bytes(sample_model())
    return str(path)


@pytest.fixture
def folder(tmp_path) -> Path:
    where = tmp_path / "folder"
    where.mkdir()
    return where


@pytest.mark.spark
@pytest.mark.parametrize(("page", "run"), [p for p in programs() if not starts_spark(p[1])], ids=name_of)
def test_the_examples_of_a_page_run_in_order(page, run, spark, folder, photos, jpeg, model_path):
    """In one namespace, which holds what the guide's index says: `spark`, `folder`, `photos`, `jpeg`, `model_path`."""
    names = {"__name__": "__main__", "spark": spark, "folder": folder, "photos": photos, "jpeg": jpeg}
    names["model_path"] = model_path
    for block in run:
        exec(compile(block.placed(), str(page), "exec", dont_inherit=True), names)
    assert spark.range(1).count() == 1, "the page stopped the session"


@pytest.mark.slow
@pytest.mark.spark
@pytest.mark.parametrize(("page", "run"), [p for p in programs() if starts_spark(p[1])], ids=name_of)
def test_a_page_that_starts_spark_is_a_program_of_its_own(page, run, tmp_path, photos):
    """In a folder that has pictures in `photos`, one sub-folder for each label."""
    shutil.copytree(photos, tmp_path / "photos")
    lines = ""
    for block in run:
        lines += "\n" * (block.line - lines.count("\n")) + block.code
    script = tmp_path / f"{page.stem}.py"
    script.write_text(lines)
    # With the settings that a user has, not those that make the tests faster.
    as_a_user = {name: value for name, value in os.environ.items() if name != "PYSPARK_SUBMIT_ARGS"}
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, env=as_a_user, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{page.name}, lines as in the page:\n{done.stderr[-4000:]}"


def test_few_examples_do_not_run_and_every_block_is_of_a_known_language():
    found = [(page, block) for page in PAGES for block in blocks(page)]
    resting = [name_of(page) for page, block in found if block.language == "python" and not block.runs]
    assert len(resting) <= 5, resting
    for page, block in found:
        where = f"{name_of(page)}, line {block.line}"
        assert block.language in LANGUAGES, where
        assert set(block.marks) <= {"no-run"}, where


def test_every_fence_is_a_pair():
    for page in PAGES:
        fences = re.findall(r"^\s*```", page.read_text(), re.MULTILINE)
        assert len(fences) == 2 * len(blocks(page)), name_of(page)


def test_the_pages_have_examples():
    pages = {name_of(page) for page, _ in programs()}
    assert "README.md" in pages
    guide = {name_of(page) for page in (ROOT / "docs" / "guide").glob("[0-9]*.md")}
    assert guide - pages == {"docs/guide/11-memory.md"}, (
        "pages without examples; that of measured tables needs none"
    )
    assert {f"docs/reference/{spec['module']}.md" for spec in stage_specs().values()} <= pages


# -- docstrings -------------------------------------------------------------------------------------------------------


def modules() -> list[str]:
    """Every module of the package. An object is found in the module that defines it, whatever re-exports it."""
    return ["mmlrs", *(module.name for module in pkgutil.walk_packages(mmlrs.__path__, "mmlrs."))]


def docstrings() -> list[doctest.DocTest]:
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [test for name in modules() for test in finder.find(importlib.import_module(name))]
    return [test for test in found if test.examples]


@pytest.mark.parametrize("test", docstrings(), ids=lambda test: test.name)
def test_the_examples_of_a_docstring_are_right(test, spark):
    out: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    runner.run(test, out=out.append)
    assert runner.failures == 0, "".join(out)


def test_every_stage_has_an_example_in_its_docstring():
    tested = {test.name for test in docstrings()}
    assert {f"mmlrs.{spec['module']}.{name}" for name, spec in stage_specs().items()} <= tested


# -- links ------------------------------------------------------------------------------------------------------------

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")


def prose(page: Path) -> str:
    """The page without code."""
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text()))


def anchors(page: Path) -> set[str]:
    """What GitHub calls the headings of a page."""
    found: dict[str, int] = {}
    for heading in re.findall(r"^#+ +(.+?)\s*$", FENCE.sub("", page.read_text()), re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        found[slug] = found.get(slug, -1) + 1
        if found[slug]:
            found[f"{slug}-{found[slug]}"] = 0
    return set(found)


LINKS = [(page, link) for page in PAGES for link in LINK.findall(prose(page)) if "://" not in link]


@pytest.mark.parametrize(("page", "link"), LINKS, ids=lambda value: name_of(value) or str(value))
def test_a_link_leads_to_a_file_and_a_heading_that_exist(page, link):
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    assert target.is_relative_to(ROOT), "leads out of the repository"
    assert target.exists()
    if anchor:
        assert anchor in anchors(target)


def test_every_page_of_the_guide_is_in_its_index():
    index = (ROOT / "docs" / "guide" / "index.md").read_text()
    for page in (ROOT / "docs" / "guide").glob("*.md"):
        assert page.name == "index.md" or f"]({page.name})" in index
