"""A short run of the fuzzer, always with the same input; `make fuzz` runs longer and with other input."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(HERE / "run.py"), "--folder", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.mark.slow
def test_mutated_input_is_a_result_or_an_error_of_mmlrs_and_never_the_end_of_the_process(tmp_path):
    done = run(tmp_path, "--short")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    names = sorted(file.stem for file in (HERE / "targets").glob("*.py"))
    assert [line.split()[0] for line in lines] == names
    assert all(line.endswith(" 0 findings") and int(line.split()[1].replace(",", "")) > 0 for line in lines)


BAD = """
import os, sys
from mmlrs.errors import DecodeError
BATCH = SHORT = 8
def item(rng):
    return rng.randbytes(40) + rng.choice([b"", b"{kind}"])
def check(items):
    for content in items:
        if content.endswith(b"raises"):
            raise KeyError("x")
        if content.endswith(b"panics"):
            print("thread 'x' panicked at src/lib.rs:1:2:\\nboom", file=sys.stderr, flush=True)
            raise DecodeError("row 0: boom")
        if content.endswith(b"inner"):
            raise DecodeError("internal error, please report it: boom")
        if content.endswith(b"dies"):
            os.abort()
        if content.endswith(b"grows"):
            os.kill(os.getpid(), 9) if bytearray(1 << 40) else None
"""


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("raises", "KeyError"),
        ("panics", "panic: panicked at src/lib.rs:1:N: boom"),
        ("inner", "DecodeError in no code of mmlrs: internal error"),
        ("dies", "death: exit code -N"),
        ("grows", "MemoryError"),
    ],
)
def test_the_fuzzer_finds_what_breaks_and_keeps_the_smallest_input(kind, key, tmp_path):
    (tmp_path / "wrong.py").write_text(BAD.replace("{kind}", kind))
    program = f"""
import sys
sys.path[:0] = [{str(HERE)!r}, {str(tmp_path)!r}]
import loop, wrong
report = loop.fuzz(wrong, 0, seconds=None, executions=64)
assert report.executions == 64, report
[found] = report.found.values()
print(found.times > 1, len(found.items), found.items[0], found.key)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"True 1 b'{kind}' {key}"), done.stdout
