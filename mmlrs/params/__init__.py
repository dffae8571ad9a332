"""The types of params of stages: how each accepts values, passes them to the native core, saves and loads them."""

from __future__ import annotations

from mmlrs._pyspark import Param
from mmlrs.params._type import Loading, ParamType, Saving, argument, type_of, types_of, undefined
from mmlrs.params.content import FILE, MODEL
from mmlrs.params.functions import FUNCTION
from mmlrs.params.networks import NETWORK, WEIGHTS, NetworkLike, WeightsLike
from mmlrs.params.spaces import PARAM_SPACE
from mmlrs.params.stages import STAGE, STAGE_LIST
from mmlrs.params.values import (
    BOOL,
    FLOAT,
    FLOAT_LIST,
    INT,
    INT_LIST,
    OPERATIONS,
    STR,
    STR_LIST,
    STR_MAP,
    VALUE_LIST,
)

__all__ = [
    "BOOL",
    "FILE",
    "FLOAT",
    "FLOAT_LIST",
    "FUNCTION",
    "INT",
    "INT_LIST",
    "MODEL",
    "NETWORK",
    "OPERATIONS",
    "PARAM_SPACE",
    "STAGE",
    "STAGE_LIST",
    "STR",
    "STR_LIST",
    "STR_MAP",
    "VALUE_LIST",
    "WEIGHTS",
    "Loading",
    "NetworkLike",
    "Param",
    "ParamType",
    "Saving",
    "WeightsLike",
    "argument",
    "type_of",
    "types_of",
    "undefined",
]
