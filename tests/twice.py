"""Programs that run in two processes at once."""

from __future__ import annotations

import subprocess
import sys

from places import ROOT


def run_twice(code: str, *arguments: str) -> list[str]:
    """Run a program in two processes that start their work at the same time. Both must succeed; return what they print.

    The program prints "ready" and reads a line before its work.
    """
    command = [sys.executable, "-c", code, *arguments]
    children = [
        subprocess.Popen(command, stdin=-1, stdout=-1, stderr=-1, text=True, cwd=ROOT) for _ in range(2)
    ]
    try:
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n", child.communicate()
        for child in children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        results = [(*child.communicate(timeout=60), child.returncode) for child in children]
    finally:
        for child in children:
            child.kill()
            child.wait()
    assert [result[1:] for result in results] == [("", 0)] * 2
    return [result[0] for result in results]
