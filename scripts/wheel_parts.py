"""Prints the size of a wheel by part and what its extension needs, and fails if a limit of the release is exceeded.

    python scripts/wheel_parts.py WHEEL
    python scripts/wheel_parts.py --symbols EXTENSION

The limits: 15 MB, symbols of glibc 2.28 and older, no libraries but those of the C library and of the compiler, no paths of
this machine. With `--symbols`, the code and constants of an extension that has not been stripped are listed by library instead.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

MAX_BYTES = 15_000_000
NEWEST_GLIBC = (2, 28)
LIBRARIES = re.compile(r"(libc|libm|libgcc_s|libdl|libpthread|librt|ld-linux-[a-z0-9-]+)\.so\.\d+")

#: Parts of a wheel by the path of a file; the first match counts.
PARTS = (
    ("extension", r"\.so$"),
    ("labels", r"^mmlrs/models/.*\.txt$"),
    ("style of a report", r"\.css$"),
    ("Python code, generated", r"^mmlrs/_generated/"),
    ("Python code", r"\.pyi?$|/py\.typed$"),
    ("metadata and licence", r"\.dist-info/"),
)
#: Libraries by the name of a symbol; the first match counts. Rust symbols carry the name of their crate.
SYMBOLS = (
    ("OpenCV", r"\bcv::|^opj_|^cv[A-Z]|\bocvrs|opencv|^cv_"),
    (
        "libjpeg-turbo",
        r"^(_?jsimd|j(peg|init|[a-z]*zero|div|round|copy|std|get|set|is|convert|pad|post)|tj|_j)[A-Za-z0-9_]*$",
    ),
    ("zstd", r"^(ZSTD|ZDICT|HUF|FSE|HIST|XXH|COVER|POOL|ERR|divsufsort|sssort|trsort|BIT)[A-Za-z0-9_]*$"),
    (
        "libc++ and unwinder",
        r"^(std::|__cxa|_Unwind|unw_|__unw|operator (new|delete)|.*\blibunwind::|.*__cxxabiv1::)",
    ),
)


def part_of(name: str, rules: Iterable[tuple[str, str]]) -> str | None:
    """Return the first part whose expression matches."""
    return next((part for part, expression in rules if re.search(expression, name)), None)


def lines_of(*command: str) -> list[str]:
    """Return the lines that a program prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def table(rows: Iterable[tuple[str, int, int]], names: tuple[str, str]) -> list[str]:
    """Return the lines of a table of sizes in KB, largest first, with their sum."""
    rows = sorted(rows, key=lambda row: -row[1])
    total = ("total", sum(row[1] for row in rows), sum(row[2] for row in rows))
    head = f"{'':<28}{names[0]:>16}{names[1]:>16}"
    return [head, *(f"{name:<28}{a / 1000:>16,.0f}{b / 1000:>16,.0f}" for name, a, b in (*rows, total))]


def sizes(wheel: zipfile.ZipFile) -> list[tuple[str, int, int]]:
    """Return compressed and uncompressed bytes of each part of a wheel."""
    compressed: Counter[str] = Counter()
    uncompressed: Counter[str] = Counter()
    for entry in wheel.infolist():
        part = part_of(entry.filename, PARTS) or entry.filename
        compressed[part] += entry.compress_size
        uncompressed[part] += entry.file_size
    return [(part, size, uncompressed[part]) for part, size in compressed.items()]


def needed(extension: Path) -> list[str]:
    """Return the shared libraries that an extension needs."""
    found = (re.search(r"\(NEEDED\).*\[(.*)\]", line) for line in lines_of("readelf", "-dW", str(extension)))
    return [match[1] for match in found if match]


def glibc(extension: Path) -> list[tuple[int, ...]]:
    """Return the versions of glibc whose symbols an extension needs."""
    text = "\n".join(lines_of("readelf", "-VW", str(extension)))
    return sorted({tuple(map(int, version.split("."))) for version in re.findall(r"GLIBC_([\d.]+)", text)})


def sections(extension: Path) -> Counter[str]:
    """Return the bytes of an extension by the kind of section."""
    kinds = {
        ".text": "code",
        ".rodata": "constants",
        ".data.rel.ro": "constants with addresses",
        ".eh_frame": "unwind tables",
        ".gcc_except_table": "unwind tables",
        ".eh_frame_hdr": "unwind tables",
    }
    found: Counter[str] = Counter()
    for line in lines_of("readelf", "-SW", str(extension)):
        if match := re.match(r"\s*\[ *\d+\] (\S+)\s+(\S+)\s+\S+ \S+ (\S+)", line):
            name, kind, size = match.groups()
            if kind != "NOBITS":
                other = "relocations" if name.startswith(".rel") else "other sections"
                found[kinds.get(name, other)] += int(size, 16)
    return found


def crate_of(symbol: str) -> str:
    """Return the library or crate of a demangled symbol."""
    if part := part_of(symbol, SYMBOLS):
        return part
    match = re.match(r"[<&*(\[]*(?:dyn |mut |const |impl )*([a-z][a-z0-9_]*)(?:\[[0-9a-f]+\])?::", symbol)
    if match is None:
        return "other C and unnamed"
    crate = match[1]
    if crate in {
        "core",
        "alloc",
        "std",
        "hashbrown",
        "compiler_builtins",
        "gimli",
        "addr2line",
        "rustc_demangle",
    }:
        return "Rust's standard library"
    return "arrow" if crate.startswith("arrow") else crate


def by_library(extension: Path) -> list[tuple[str, int, int]]:
    """Return the bytes of code, and of code with constants, by library; small ones are summed up."""
    code: Counter[str] = Counter()
    both: Counter[str] = Counter()
    for line in lines_of("nm", "--print-size", "--demangle", "--defined-only", str(extension)):
        if match := re.match(r"[0-9a-f]+ ([0-9a-f]+) ([a-zA-Z]) (.*)", line):
            size, kind, symbol = int(match[1], 16), match[2].lower(), match[3]
            if kind in "bn":
                continue
            crate = crate_of(symbol)
            both[crate] += size
            code[crate] += size if kind in "tw" else 0
    small = [crate for crate, size in both.items() if size < 100_000]
    for crate in small:
        both["libraries below 100 KB"] += both.pop(crate)
        code["libraries below 100 KB"] += code.pop(crate)
    return [(crate, size, code[crate]) for crate, size in both.items()]


def places() -> list[str]:
    """Return the folders of this machine that a wheel must not mention: the sources and cargo's."""
    cargo = os.environ.get("CARGO_HOME", str(Path.home() / ".cargo"))
    return [str(Path(__file__).resolve().parents[1]), cargo]


def check(path: Path) -> list[str]:
    """Print what there is to know of a wheel, and return what is wrong with it."""
    wrong = []
    with zipfile.ZipFile(path) as wheel, tempfile.TemporaryDirectory() as folder:
        print(*table(sizes(wheel), ("compressed, KB", "installed, KB")), sep="\n")
        names = [name for name in wheel.namelist() if name.endswith(".so")]
        if len(names) != 1:
            wrong.append(f"one extension is expected, found {names}")
        for name in names:
            extension = Path(wheel.extract(name, folder))
            print(f"\n{name}, KB:", end="")
            for kind, size in sections(extension).most_common():
                print(f" {kind} {size / 1000:,.0f};", end="")
            libraries, versions = needed(extension), glibc(extension)
            print(
                f"\nneeds {', '.join(libraries)}; symbols of glibc up to {'.'.join(map(str, versions[-1]))}"
            )
            wrong += [f"{name} needs {library}" for library in libraries if not LIBRARIES.fullmatch(library)]
            if versions[-1] > NEWEST_GLIBC:
                wrong.append(f"{name} needs glibc {'.'.join(map(str, versions[-1]))}")
        for name in wheel.namelist():
            data = wheel.read(name)
            for place in places():
                found = re.search(rb"[ -~]*" + re.escape(place.encode()) + rb"[ -~]*", data)
                if found:
                    wrong.append(
                        f"{name} contains the path {place}, for example in {found.group()[-300:].decode()!r}"
                    )
    size = path.stat().st_size
    print(f"{path.name}: {size / 1e6:.2f} MB, the limit is {MAX_BYTES / 1e6:.0f} MB")
    if size > MAX_BYTES:
        wrong.append(f"{path.name} has {size} bytes, {MAX_BYTES} are allowed")
    return wrong


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Print the size of a wheel by part and check its limits.")
    parser.add_argument("file", type=Path)
    parser.add_argument(
        "--symbols", action="store_true", help="list an extension that has not been stripped by library"
    )
    args = parser.parse_args()
    if args.symbols:
        print(*table(by_library(args.file), ("all, KB", "code, KB")), sep="\n")
        return 0
    wrong = check(args.file)
    print("\n".join(wrong), file=sys.stderr, end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
