"""Names of `typing` that Python 3.10 does not have."""

from __future__ import annotations

import sys

if sys.version_info >= (3, 11):
    from typing import Self, get_overloads, overload
else:
    from typing_extensions import Self, get_overloads, overload

__all__ = ["Self", "get_overloads", "overload"]
