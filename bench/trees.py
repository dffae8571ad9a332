"""Scoring boosted trees on one thread, beside the libraries that fitted them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa

from bench.measure import Figure, Setting, required, side_by_side

ROWS, SLOTS, TREES, DEPTH = 100_000, 50, 500, 8


@contextmanager
def one_core() -> Iterator[None]:
    """Run on one core, so that every library has one thread."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def rows(count: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(count, SLOTS))
    target = values[:, 0] * values[:, 1] + values[:, 2] + rng.normal(size=count) * 0.5
    return values, target


def lightgbm_model(values: Any, target: Any, trees: int) -> Any:
    lightgbm = required("lightgbm")
    params = {
        "objective": "regression",
        "max_depth": DEPTH,
        "num_leaves": 2**DEPTH - 1,
        "min_data_in_leaf": 1,
        "max_bin": 63,
        "num_threads": 1,
        "verbose": -1,
    }
    return lightgbm.train(params, lightgbm.Dataset(values, target), trees)


def xgboost_model(values: Any, target: Any, trees: int) -> Any:
    xgboost = required("xgboost")
    params = {"objective": "reg:squarederror", "max_depth": DEPTH, "max_bin": 63, "nthread": 1, "eta": 0.05}
    return xgboost.train(params, xgboost.DMatrix(values, target), trees)


def trees(setting: Setting) -> Iterator[Figure]:
    """500 trees of depth 8 on 100,000 rows of 50 numbers, one thread, beside LightGBM and XGBoost with the same trees."""
    import mmlrs

    count, number = (ROWS // 10, TREES // 10) if setting.quick else (ROWS, TREES)
    values, target = rows(count)
    single = values.astype(np.float32)
    table = pa.table({"features": pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), SLOTS)})
    with one_core():
        part = slice(0, 20_000)
        boosters = {
            "LightGBM": (
                booster := lightgbm_model(values[part], target[part], number),
                lambda: booster.predict(values),
            ),
            "XGBoost": (
                other := xgboost_model(values[part], target[part], number),
                lambda: other.inplace_predict(single),
            ),
        }
        for peer, (fitted, predict) in boosters.items():
            model = mmlrs.from_estimator(fitted, featuresCol="features")
            ours = np.asarray(model.transform(table)["prediction"])
            worst = float(np.abs(ours - predict()).max())
            if worst > 1e-9 * float(np.abs(ours).max()):
                raise AssertionError(f"the predictions differ from those of {peer} by {worst}")
            found = side_by_side(lambda model=model: model.transform(table), predict, setting.pairs(7))  # type: ignore[misc]
            yield Figure(
                f"{number} trees of depth {DEPTH}, {count:,} rows of {SLOTS} numbers, one thread, against {peer}",
                found.ratio,
                target=1.0,
                detail=f"{found.seconds(peer)}; largest difference of a prediction: {worst:.1g}",
            )
