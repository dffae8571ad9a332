"""The loop of the fuzzer: batches of mutated input in a child process that may die, hang or grow without harm.

What a batch holds follows from the target's name, the seed and the batch's number, so that every finding comes back.
"""

from __future__ import annotations

import faulthandler
import json
import os
import pickle
import random
import re
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from checks import Broken, is_ours

GIB = 1024**3
#: Address space of a child: what is allocated on trust fails here, and the process ends.
ADDRESS_SPACE = 8 * GIB
#: Memory in use at the most.
MEMORY = 2 * GIB
#: CPU time of a batch, in seconds; with more it hangs. The clock is for a process that waits for nothing.
CPU_LIMIT = 20
CLOCK_LIMIT = 120
#: How long a search for smaller input may take, in seconds.
PATIENCE = 30


@dataclass
class Found:
    """What is wrong, and with which input."""

    target: str
    seed: int
    batch: int
    key: str
    text: str
    items: list[Any]
    times: int = 1


@dataclass
class Report:
    """What a target's run came to."""

    target: str
    executions: int = 0
    seconds: float = 0.0
    found: dict[str, Found] = field(default_factory=dict)


def items_of(target: ModuleType, seed: int, batch: int) -> list[Any]:
    """The input of a batch."""
    rng = random.Random(f"{name_of(target)}/{seed}/{batch}")
    return [target.item(rng) for _ in range(target.BATCH)]


def name_of(target: ModuleType) -> str:
    return target.__name__.rpartition(".")[2]


def fuzz(target: ModuleType, seed: int, *, seconds: float | None, executions: int | None) -> Report:
    """Run a target for so many seconds or executions."""
    report = Report(name_of(target))
    started = time.monotonic()
    batch = 0
    while not _over(report, started, seconds, executions):

        def work(tell: Tell, first: int = batch) -> None:
            until = None if seconds is None else started + seconds
            most = None if executions is None else executions - report.executions
            _batches(target, seed, first, until, most, set(report.found), tell)

        last, ended = -1, "nothing was run"
        for message in watched(work):
            if "begin" in message:
                last = message["begin"]
            elif "done" in message:
                report.executions += message["items"]
                for key in message["known"]:
                    report.found[key].times += 1
            elif "new" in message:
                _add(report, target, seed, last, message)
                report.executions += target.BATCH
            elif "ended" in message:
                ended = message["ended"]
        if ended != "":
            report.executions += target.BATCH
            _died(report, target, seed, last, ended)
        batch = last + 1
    report.seconds = time.monotonic() - started
    return report


def _over(report: Report, started: float, seconds: float | None, executions: int | None) -> bool:
    if executions is not None:
        return report.executions >= executions
    return seconds is not None and time.monotonic() - started >= seconds


def _batches(
    target: ModuleType,
    seed: int,
    first: int,
    until: float | None,
    most: int | None,
    known: set[str],
    tell: Tell,
) -> None:
    """Run batches until the time is over or something new is found: in the child."""
    batch, done = first, 0
    while (until is None or time.monotonic() < until) and (most is None or done < most):
        items = items_of(target, seed, batch)
        tell(begin=batch)
        seen = []
        wrong = broken_by(target, items)
        if wrong is not None:
            # One by one: what is known must not hide what is not.
            alone = [(w, [item]) for item in items for w in [broken_by(target, [item])] if w is not None]
            for (key, text), culprits in alone or [(wrong, items)]:
                if key not in known:
                    tell(new=key, text=text, items=pickled(culprits).hex())
                    return
                seen.append(key)
        tell(done=batch, items=len(items), known=seen)
        done += len(items)
        batch += 1


def pickled(items: Any) -> bytes:
    """Pickle items that may be nested deeper than the code under test is allowed to follow."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        return pickle.dumps(items)
    finally:
        sys.setrecursionlimit(limit)


def broken_by(target: ModuleType, items: list[Any]) -> tuple[str, str] | None:
    """Run a check; what broke, in short and in full."""
    before = os.fstat(2).st_size
    wrong = None
    try:
        target.check(items)
    except Broken as error:
        wrong = _short(str(error)), str(error)
    except (
        BaseException
    ) as error:  # an error of mmlrs is an answer, any other is a fault; panics of pyo3 are no Exception
        if not is_ours(error):
            frames = traceback.extract_tb(error.__traceback__)
            place = [f for f in frames if "/mmlrs/" in f.filename and "<" not in f.name]
            where = (
                f"{Path(place[-1].filename).name}:{place[-1].name}" if place else f"no code of mmlrs: {error}"
            )
            wrong = _short(f"{type(error).__name__} in {where}"), traceback.format_exc()
    if os.fstat(2).st_size > before:
        with open("/proc/self/fd/2", "rb") as file:
            file.seek(before)
            said = file.read(20_000).decode(errors="replace")
        if "panicked at" in said:
            return _panic(said), said
    if wrong is not None:
        return wrong
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if peak > MEMORY:
        return "memory", f"{peak >> 20} MiB in use"
    return None


def _panic(said: str) -> str:
    """The first panic in what was written to stderr: its place and its words."""
    lines = said[said.index("panicked at") :].split("\n")
    return _short("panic: " + " ".join(lines[:2]))


def _short(text: str) -> str:
    """A name for a fault that does not depend on the input."""
    text = re.sub(r"`[^`]*`|'[^']*'|\"[^\"]*\"", "_", text.replace("\n", " "))
    return re.sub(r"(\.rs:\d+)|\d+", lambda m: m[1] or "N", text)[:160]


def _add(report: Report, target: ModuleType, seed: int, batch: int, message: dict[str, Any]) -> None:
    items = pickle.loads(bytes.fromhex(message["items"]))
    key = message["new"]

    def same(candidate: list[Any]) -> bool:
        return (once(target, candidate) or ("", ""))[0] == key

    if key in report.found:
        report.found[key].times += 1
        return
    smaller = reduced(items, same)
    report.found[key] = Found(report.target, seed, batch, key, message["text"], smaller)


def _died(report: Report, target: ModuleType, seed: int, batch: int, ended: str) -> None:
    """A child ended in the middle of a batch: find the input that does it."""
    key = _short(ended.partition("\n")[0])
    if key in report.found:
        report.found[key].times += 1
        return
    items: list[Any] = []
    # Made in a child, as all that calls the library is: here nothing has threads, so that forks are safe.
    for message in watched(lambda tell: tell(items=pickled(items_of(target, seed, batch)).hex())):
        items = pickle.loads(bytes.fromhex(message["items"])) if "items" in message else items

    def ends(candidate: list[Any]) -> bool:
        return once(target, candidate) is not None

    smaller = reduced(items, ends, most=7 if ended.startswith("hang") else 24)
    report.found[key] = Found(report.target, seed, batch, key, ended, smaller)


def once(target: ModuleType, items: list[Any]) -> tuple[str, str] | None:
    """Run a check in a process of its own; what broke."""

    def work(tell: Tell) -> None:
        tell(begin=0)
        wrong = broken_by(target, items)
        if wrong is not None:
            tell(new=wrong[0], text=wrong[1])

    found = None
    for message in watched(work):
        if "new" in message:
            found = message["new"], message["text"]
        elif message.get("ended"):
            found = _short(message["ended"].partition("\n")[0]), message["ended"]
    return found


def reduced(items: list[Any], shows: Callable[[list[Any]], bool], most: int = 60) -> list[Any]:
    """Halve the input as long as the fault stays: first the list, then the bytes of the one item that is left."""
    tries, until = 0, time.monotonic() + PATIENCE

    def same(candidate: list[Any]) -> bool:
        return time.monotonic() < until and shows(candidate)

    while len(items) > 1 and tries < most:
        middle = len(items) // 2
        for half in (items[:middle], items[middle:]):
            tries += 1
            if same(half):
                items = half
                break
        else:
            break
    if len(items) == 1 and isinstance(items[0], bytes):
        content = items[0]
        size = len(content) // 2
        while size > 0 and tries < most:
            for start in range(0, len(content), size):
                shorter = content[:start] + content[start + size :]
                tries += 1
                if tries >= most:
                    break
                if same([shorter]):
                    content = shorter
                    break
            else:
                size //= 2
        items = [content]
    return items


Tell = Callable[..., None]


def watched(work: Callable[[Tell], None]) -> Any:
    """Run work in a child and yield what it tells, at last how it ended: "" when it did so on its own account."""
    reading, writing = os.pipe()
    with tempfile.TemporaryFile() as errors:
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            os.close(reading)
            _child(work, writing, errors.fileno())
        os.close(writing)
        hung = None
        try:
            for line in _lines(reading, child):
                if isinstance(line, str):
                    hung = line
                    os.kill(child, signal.SIGABRT)  # faulthandler writes where every thread is
                    time.sleep(1)
                    os.kill(child, signal.SIGKILL)
                    break
                yield json.loads(line)
        finally:
            os.close(reading)
        _, status = os.waitpid(child, 0)
        errors.seek(0, os.SEEK_END)
        errors.seek(max(0, errors.tell() - 4000))
        said = errors.read().decode(errors="replace").strip()
    if hung is not None:
        yield {"ended": f"{hung}\n{said}"}
    elif status == 0:
        yield {"ended": ""}
    else:
        code = os.waitstatus_to_exitcode(status)
        told = re.findall(r"panicked at.*\n.*|memory allocation of.*|Fatal Python error.*|.*Error: .*", said)
        yield {"ended": f"death: exit code {code}: {told[-1] if told else ''}\n{said}"}


def _child(work: Callable[[Tell], None], writing: int, errors: int) -> None:
    """Do the work in this process, which is a child, and end it."""
    os.dup2(errors, 2)
    faulthandler.enable(2)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def tell(**message: Any) -> None:
        text = json.dumps(message).encode() + b"\n"
        while text:
            text = text[os.write(writing, text) :]

    try:
        work(tell)
    except BaseException:
        traceback.print_exc()
        os._exit(70)
    os._exit(0)


def _lines(reading: int, child: int) -> Any:
    """Yield the lines that a child writes, as bytes; as text why it is taken to hang."""
    rest = b""
    spoke, used = time.monotonic(), _cpu_seconds(child)
    while True:
        ready, _, _ = select.select([reading], [], [], 1.0)
        if ready:
            got = os.read(reading, 1 << 16)
            if not got:
                return
            *lines, rest = (rest + got).split(b"\n")
            yield from lines
            if lines:
                spoke, used = time.monotonic(), _cpu_seconds(child)
        elif _cpu_seconds(child) - used > CPU_LIMIT:
            yield f"hang: more than {CPU_LIMIT} s of CPU time"
        elif time.monotonic() - spoke > CLOCK_LIMIT:
            yield f"hang: nothing for {CLOCK_LIMIT} s"


def _cpu_seconds(child: int) -> float:
    try:
        fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
