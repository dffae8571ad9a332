"""Text dumps of LightGBM and JSON models of XGBoost with other trees, counts and texts: compiled, and run on a tiny table."""

from __future__ import annotations

import json
import random
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import xgboost
from checks import Broken, each
from mutate import changed, damaged

from mmlrs.compiled import from_estimator

BATCH = 16
SHORT = 160


@lru_cache
def _table() -> pd.DataFrame:
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "x": np.where(random.random(80) < 0.2, np.nan, random.normal(size=80)),
            "c": pd.Categorical(random.choice(list("abcde"), 80)),
        }
    )


@lru_cache
def _seeds() -> list[bytes]:
    """The dumps of a few small models."""
    table, numbers = _table(), _table()[["x"]].fillna(0)
    y = table["x"].fillna(0) + (table["c"] == "b")
    light = {
        "n_estimators": 2,
        "num_leaves": 4,
        "min_child_samples": 4,
        "min_data_per_group": 4,
        "verbose": -1,
    }
    other = {"n_estimators": 2, "max_depth": 2, "enable_categorical": True, "max_cat_to_onehot": 1}
    dumps = [
        lightgbm.LGBMRegressor(**light).fit(table, y).booster_.model_to_string().encode(),
        lightgbm.LGBMClassifier(**light)
        .fit(table, np.digitize(y, [-0.5, 0.5]))
        .booster_.model_to_string()
        .encode(),
    ]
    for model in (
        xgboost.XGBRegressor(**other).fit(table, y),
        xgboost.XGBClassifier(booster="dart", **other).fit(table, np.digitize(y, [-0.5, 0.5])),
        xgboost.XGBRegressor(n_estimators=2, booster="gblinear").fit(numbers, y),
    ):
        dumps.append(bytes(model.get_booster().save_raw("json")))
    return dumps


def item(rng: random.Random) -> bytes:
    """The content of a model file."""
    seed = rng.choice(_seeds())
    if seed.startswith(b"{"):
        return (
            damaged(seed, rng) if rng.random() < 0.2 else json.dumps(changed(json.loads(seed), rng)).encode()
        )
    if rng.random() < 0.2:
        return damaged(seed, rng)
    lines = seed.decode().split("\n")
    for _ in range(rng.randrange(1, 4)):
        place = rng.randrange(len(lines))
        name, equals, value = lines[place].partition("=")
        words = value.split(" ")
        words[rng.randrange(len(words))] = rng.choice(
            ["", "-1", "0", "1e400", "nan", "99999999999", "7", "a", words[0]]
        )
        lines[place] = rng.choice([name + equals + " ".join(words), "", lines[rng.randrange(len(lines))]])
    return "\n".join(lines).encode()


def check(items: list[Any]) -> None:
    each(items, _check_one)


def _check_one(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model")
        path.write_bytes(content)
        model = from_estimator(path)
    table = _table().set_axis(["x", "c"], axis=1)
    if len(model.transform(table)) != len(table):
        raise Broken("rows are lost")
