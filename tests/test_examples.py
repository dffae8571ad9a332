"""The README's examples run as they stand: its Python blocks, in order, as one program."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mmlrs import demo

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md"]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def program(page: Path) -> str:
    """The page with everything but its Python blocks blank, so that errors name the line of the page."""
    text = page.read_text()
    parts, end = [], 0
    for block in BLOCK.finditer(text):
        parts += ["\n" * text.count("\n", end, block.start(1)), block.group(1)]
        end = block.end(1)
    return "".join(parts)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with the pictures that the examples speak of: photos/label=face, photos/label=other."""
    where = tmp_path_factory.mktemp("examples")
    pictures = list(demo.small_pictures())
    demo.write_pictures(where / "photos", pictures[:12] + pictures[-12:])
    return where


@pytest.mark.spark
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_examples_of_a_page_run(page, folder):
    script = folder / f"{page.stem}.py"
    script.write_text(program(page))
    done = subprocess.run([sys.executable, script], cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{page.name}, lines as in the page:\n{done.stderr[-4000:]}"
