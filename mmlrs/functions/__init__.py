"""Functions of columns, in Python and in SQL: ready ones for images and texts, and stages as functions.

Examples
--------
>>> from mmlrs import functions as F  # then: df.select(F.embed_image("photo"))
"""

from __future__ import annotations

from mmlrs._names import public
from mmlrs.functions._columns import (
    classify_image,
    classify_text,
    detect_objects,
    embed_image,
    embed_text,
    register_all,
)
from mmlrs.functions._udf import pandas_udf, register, udf

__all__ = [
    "classify_image",
    "classify_text",
    "detect_objects",
    "embed_image",
    "embed_text",
    "pandas_udf",
    "register",
    "register_all",
    "udf",
]

__dir__ = public(globals())
