"""General stages of a pipeline, for columns, partitions, batches, keys and classes."""

from __future__ import annotations

from mmlrs._generated import stages as _generated
from mmlrs._generated.stages import *  # noqa: F403 (purely native stages need no line here)
from mmlrs._names import public
from mmlrs.stages.adapter import MultiColumnAdapter, MultiColumnAdapterModel
from mmlrs.stages.balance import ClassBalancer, ClassBalancerModel
from mmlrs.stages.batching import (
    DynamicMiniBatchTransformer,
    FixedMiniBatchTransformer,
    FlattenBatch,
    TimeIntervalMiniBatchTransformer,
)
from mmlrs.stages.columns import DropColumns, RenameColumn, SelectColumns
from mmlrs.stages.ensemble import EnsembleByKey
from mmlrs.stages.functions import Lambda, UDFTransformer
from mmlrs.stages.partitions import (
    Cacher,
    CheckpointData,
    PartitionConsolidator,
    Repartition,
    StratifiedRepartition,
)
from mmlrs.stages.rows import Explode, PartitionSample, Query
from mmlrs.stages.timer import Timer, TimerModel

__all__ = [
    "Cacher",
    "CheckpointData",
    "ClassBalancer",
    "ClassBalancerModel",
    "DropColumns",
    "DynamicMiniBatchTransformer",
    "EnsembleByKey",
    "Explode",
    "FixedMiniBatchTransformer",
    "FlattenBatch",
    "Lambda",
    "MultiColumnAdapter",
    "MultiColumnAdapterModel",
    "PartitionConsolidator",
    "PartitionSample",
    "Query",
    "RenameColumn",
    "Repartition",
    "SelectColumns",
    "StratifiedRepartition",
    "TimeIntervalMiniBatchTransformer",
    "Timer",
    "TimerModel",
    "UDFTransformer",
]
__all__ += _generated.__all__

__dir__ = public(globals())
