"""Writes the licences of everything that is linked into the extension.

    python scripts/third_party.py OPENCV > LICENSES.txt

OPENCV is the folder that scripts/opencv.sh prints. The Rust crates are those of Cargo.lock that the extension links on this
machine's architecture. Equal texts are written once, with the names of all packages that they apply to.
"""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: Files with the terms of a package.
LICENCES = re.compile(r"(licen[cs]e|copying|notice|unlicense|readme\.ijg)", re.IGNORECASE)
#: The crate of the extension, whose own licence is in the wheel already.
ROOT = "mmlrs-python"


def linked(metadata: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the packages that are linked into the extension: all dependencies but those of builds and of macros."""
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    waiting = [name for name, package in packages.items() if package["name"] == ROOT]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        macros = any("proc-macro" in target["kind"] for target in packages[name]["targets"])
        if name in found or macros:
            continue
        found.add(name)
        for dependency in nodes[name]["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                waiting.append(dependency["pkg"])
    return sorted(
        (packages[name] for name in found if packages[name]["source"]), key=lambda p: str(p["name"])
    )


def texts_of(folder: Path, depth: int = 1) -> Iterator[tuple[str, str]]:
    """Yield the path within the folder and the text of each file with terms, down to `depth` folders."""
    for path in sorted(folder.iterdir()):
        if path.is_file() and LICENCES.match(path.name) and path.suffix not in {".rs", ".html", ".spdx"}:
            yield path.name, path.read_text("utf-8", "replace")
        elif path.is_dir() and depth > 0:
            for name, text in texts_of(path, depth - 1):
                yield f"{path.name}/{name}", text


def main() -> None:
    """Run the command."""
    target = f"{platform.machine()}-unknown-linux-gnu"
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target]
    metadata = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    names: dict[str, list[str]] = {}
    without: list[str] = []
    lines = []
    parts = [
        (f"{p['name']} {p['version']}", p["license"] or "see its text", Path(p["manifest_path"]).parent)
        for p in linked(metadata)
    ]
    opencv = Path(sys.argv[1])
    parts.append((f"OpenCV {opencv.name.split('-')[0]}, core and imgproc", "Apache-2.0", opencv))
    for title, expression, folder in parts:
        lines.append(f"{title}: {expression}")
        # The sources of C libraries are in folders of their crates.
        found = list(texts_of(folder))
        if folder == opencv:
            found += [
                (path.name, path.read_text("utf-8", "replace"))
                for path in sorted(folder.glob("share/licenses/*/*"))
            ]
        for name, text in found:
            names.setdefault("\n".join(line.rstrip() for line in text.strip().splitlines()), []).append(
                f"{title} ({name})"
            )
        if not found:
            without.append(title)
    print("The extension module of mmlrs contains the following software, in compiled form.\n")
    print("\n".join(lines))
    print("libc++ and libunwind of the LLVM project: Apache-2.0 WITH LLVM-exception")
    print("the standard library of Rust: MIT OR Apache-2.0")
    if without:
        print(f"\nThese packages come without a text of their licence: {', '.join(without)}.")
    for text, titles in names.items():
        print(f"\n{'-' * 120}\n{', '.join(titles)}\n\n{text}")


if __name__ == "__main__":
    main()
