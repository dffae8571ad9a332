"""The masters of Spark, and the settings that request a number of executors from each kind."""

from __future__ import annotations

import os
import re

from mmlrs.errors import InvalidParamError

__all__ = ["check_master", "conf_for", "cpus_for", "is_local"]

_NAME = "scaling"
_LOCAL = re.compile(r"local(?:\[(\*|\d+)\])?$")
_CLUSTERS = ("spark://", "yarn", "k8s://", "local-cluster[")


def is_local(master: str) -> bool:
    """Return whether driver and executor are one process of this machine. Its executors are threads, one core each."""
    return bool(_LOCAL.match(master))


def check_master(master: str, executors: int, cores: int, together: int) -> None:
    """Raise an `InvalidParamError` if the master is unknown, or is local and does not have these cores."""
    if master.startswith("sc://"):
        raise InvalidParamError(
            f"{_NAME}: param `master` must be the URL of a cluster, got {master!r}; over Spark Connect the server has chosen "
            "its executors already"
        )
    if not is_local(master):
        if not master.startswith(_CLUSTERS):
            raise InvalidParamError(
                f"{_NAME}: param `master` must be local[N], spark://HOST:PORT, yarn or k8s://URL, got {master!r}"
            )
        return
    if cores != 1:
        raise InvalidParamError(
            f"{_NAME}: param `cores` must be 1 with the master {master}, whose executors are threads, got {cores}"
        )
    named = (_LOCAL.match(master) or [None, None])[1]
    here = len(_cpus())
    most = here if named == "*" else min(int(named or 1), here)
    for name, wanted in (("executors", executors), ("together", together)):
        if wanted > most:
            raise InvalidParamError(
                f"{_NAME}: param `{name}` must be at most {most}, the cores that {master} has on this machine with {here}, "
                f"got {wanted}"
            )


def _cpus() -> list[int]:
    """Return the CPUs of this process."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def cpus_for(master: str, executors: int, place: int) -> list[int] | None:
    """Return the CPUs of an application on this machine, or None on a cluster.

    Without the restriction, the threads of the JVM would use the other cores, and one worker would have more than one core.
    `place` counts the applications that run at the same time.
    """
    return _cpus()[place * executors : (place + 1) * executors] if is_local(master) else None


def conf_for(master: str, executors: int, cores: int) -> dict[str, str]:
    """Return the settings that give an application a number of executors."""
    if is_local(master):
        return {"spark.master": f"local[{executors}]"}
    return {
        "spark.master": master,
        "spark.dynamicAllocation.enabled": "false",
        "spark.executor.cores": str(cores),
        # Standalone takes the number of cores, YARN and Kubernetes that of executors.
        "spark.cores.max": str(executors * cores),
        "spark.executor.instances": str(executors),
    }
