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
    """Programs of one native stage, and what they read."""
    made = []
    for stage, _ in stages():
        if not isinstance(stage, NativeTransformer):
            continue
        params, batch = _native.sample(stage._stage)
        columns = _native.stage_inputs(stage._stage, "s", params)
        node = {
            "stage": stage._stage,
            "uid": "s",
            "params": json.loads(params),
            "inputs": {name: {"source": i} for i, name in enumerate(columns)},
        }
        batch = batch.select(columns)
        program = {"sources": len(columns), "nodes": [node], "outputs": [{"node": 0, "what": "valid"}]}
        node["params"] |= json.loads(_native.Program(json.dumps(program)).bound_params(batch.schema))
        program["outputs"] += [{"node": 0, "column": name} for name in _made(program, batch)]
        made.append((program, batch))
    return made


def _made(program: dict[str, Any], batch: pa.RecordBatch) -> list[str]:
    announced: pa.Schema = _native.Program(json.dumps(program)).announce(batch.schema)
    return list(announced.names)
