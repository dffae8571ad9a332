"""Spark's event log: which executors an application has, and when each task of a job ran.

The log is a file with a JSON document per line. Spark documents it as the input of the history server, and writes the lines of
executors and jobs at once. It says when the driver launched a task and when it learnt of its end.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmlrs.examples.scaling.runs import Task

__all__ = ["CONF", "cores", "job_groups", "tasks_of"]

#: One plain file per application. Rolling and compression are defaults from Spark 4.0 on.
CONF = {
    "spark.eventLog.enabled": "true",
    "spark.eventLog.rolling.enabled": "false",
    "spark.eventLog.compress": "false",
}


def _events(folder: Path, *names: str) -> Iterator[dict[str, Any]]:
    """Yield the events of these names in all logs of a folder. A last line that is still being written is left out."""
    wanted = {f"SparkListener{name}" for name in names}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.name.startswith("."):
            continue  # a checksum of Hadoop's local file system
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                if not line.endswith("\n"):
                    break
                event = json.loads(line)
                if event["Event"] in wanted:
                    yield event


def cores(folder: Path) -> dict[str, int]:
    """Return the cores of each executor that an application has at present."""
    present: dict[str, int] = {}
    for event in _events(folder, "ExecutorAdded", "ExecutorRemoved"):
        if event["Event"].endswith("Added"):
            present[event["Executor ID"]] = event["Executor Info"]["Total Cores"]
        else:
            present.pop(event["Executor ID"], None)
    return present


def job_groups(folder: Path) -> dict[str, tuple[float, list[int]]]:
    """Return for each job group when its first job was submitted, in seconds, and the ids of its stages."""
    groups: dict[str, tuple[float, list[int]]] = {}
    for event in _events(folder, "JobStart"):
        name = (event.get("Properties") or {}).get("spark.jobGroup.id")
        if name is not None:
            first, stages = groups.get(name, (event["Submission Time"] / 1e3, []))
            groups[name] = first, [*stages, *event["Stage IDs"]]
    return groups


def tasks_of(folder: Path) -> dict[str, tuple[list[Task], int]]:
    """Return the tasks of each job group, in the order of their ends, and the number of failed attempts."""
    groups = job_groups(folder)
    group_of = {stage: name for name, (_, stages) in groups.items() for stage in stages}
    found: dict[str, tuple[list[Task], int]] = {name: ([], 0) for name in groups}
    for event in _events(folder, "TaskEnd"):
        name = group_of.get(event["Stage ID"])
        if name is None:
            continue
        tasks, failures = found[name]
        if event["Task End Reason"]["Reason"] != "Success":
            found[name] = tasks, failures + 1
            continue
        info, start = event["Task Info"], groups[name][0]
        read = event.get("Task Metrics", {}).get("Input Metrics", {}).get("Records Read", 0)
        tasks.append(
            Task(
                info["Executor ID"],
                int(read),
                info["Launch Time"] / 1e3 - start,
                info["Finish Time"] / 1e3 - start,
            )
        )
    return found
