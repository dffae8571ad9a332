"""Explain why the native module cannot be loaded."""

from __future__ import annotations

import platform
import re
import sys
from pathlib import Path

__all__ = ["explained"]


def explained(error: ImportError) -> ImportError:
    """Return an `ImportError` with the cause and what to do, for the native module and this machine."""
    folder = Path(__file__).parent
    files = sorted(folder.glob("_native*.so"))
    reason = str(error)
    if not files:
        cause = f"{folder} has no compiled module for this system"
        advice = "this is a folder of source files or an incomplete installation; install a wheel: pip install mmlrs"
    elif (other := _architecture(files[0])) not in {None, platform.machine()}:
        cause = f"{files[0]} is for {other}, and this machine is {platform.machine()}"
        advice = "install mmlrs on a machine of this architecture, or build it there from source"
    elif "failed to map segment" in reason or "Operation not permitted" in reason:
        cause = f"{files[0]} is on a file system from which programs cannot be executed (mounted with noexec)"
        advice = "install or unpack the environment on another file system; on Spark, archives are unpacked below spark.local.dir"
    elif found := re.search(r"version `(GLIBC_[\d.]+)' not found", reason):
        cause = f"this system's C library is older than {found.group(1).replace('_', ' ')}"
        advice = "install a wheel from PyPI, which needs glibc 2.28, or build mmlrs on this system"
    elif found := re.match(r"(lib\S+): cannot open shared object file", reason):
        cause = f"the library {found.group(1)} is missing"
        advice = "this is a development build, which needs the libraries of its machine; build a portable wheel: make wheel"
    else:
        cause = reason
        advice = f"install mmlrs again for this Python ({sys.version.split()[0]}): pip install --force-reinstall mmlrs"
    return ImportError(
        f"mmlrs: the native module cannot be loaded: {cause}. What to do: {advice}", name="mmlrs._native"
    )


#: The ELF machine numbers of the architectures that Spark runs on.
_MACHINES = {62: "x86_64", 183: "aarch64", 21: "ppc64le", 22: "s390x", 243: "riscv64"}


def _architecture(library: Path) -> str | None:
    """Return the architecture of an ELF file, in the words of `platform.machine`, or None if it is unknown."""
    with library.open("rb") as file:
        header = file.read(20)
    if header[:4] != b"\x7fELF" or len(header) < 20:
        return None
    return _MACHINES.get(int.from_bytes(header[18:20], "little" if header[5] == 1 else "big"))
