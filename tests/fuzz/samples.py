"""A small valid use of every stage that runs without Spark."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import pyarrow as pa

from mmlrs import _native
from mmlrs.base import NativeTransformer, stage_class, stage_specs
from mmlrs.testing import sample_stage

#: These write files or wait.
_NOT_HERE = {"CheckpointData", "TimeIntervalMiniBatchTransformer"}


@lru_cache
def stages() -> list[tuple[Any, pa.Table]]:
    without_spark = [name for name, spec in stage_specs().items() if "requires_spark" not in spec["tags"]]
    return [sample_stage(stage_class(name)) for name in without_spark if name not in _NOT_HERE]


@lru_cache
def programs() -> list[tuple[dict[str, Any], pa.RecordBatch]]:
    """Programs of one native stage, its params as a map and not yet as text, and what they read."""
    made = []
    for stage, _ in stages():
        if not isinstance(stage, NativeTransformer):
            continue
        params, batch = _native.sample(stage._stage)
        native = _native.Stage(stage._stage, "s", params)
        columns = native.inputs()
        batch = batch.select(columns)
        plan = native.plan(batch.schema)
        node = {
            "stage": stage._stage,
            "uid": "s",
            "params": json.loads(plan.params),
            "inputs": {name: {"source": i} for i, name in enumerate(columns)},
        }
        outputs = [{"mask": 0}, *({"column": [0, name]} for name in plan.schema.names)]
        made.append(({"sources": len(columns), "nodes": [node], "outputs": outputs}, batch))
    return made
