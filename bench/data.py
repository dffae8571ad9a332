"""Tables for the measures, generated with a fixed seed and written as one parquet file per core."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.session import CORES

#: Exponent of Zipf's law: a word's frequency is its rank to the power of minus this, as in natural text.
ZIPF = 1.1
STOP_WORDS = ("the", "of", "and", "a", "to", "in", "is", "was", "it", "for", "on", "with", "as", "at", "by")


def vocabulary(words: int) -> np.ndarray:
    """Return words in descending order of frequency; the first ones are English stop words."""
    random = np.random.default_rng(3)
    letters = np.array(list("etaoinshrdlucmfwypvbgk"))
    generated = ["".join(random.choice(letters, size=n)) for n in random.integers(3, 11, size=words)]
    return np.array([*STOP_WORDS, *generated[len(STOP_WORDS) :]])


def _drawn(random: np.random.Generator, rows: int, words: int, size: int) -> np.ndarray:
    """Return the vocabulary indices of random words, one row per document."""
    weights = 1.0 / np.arange(1, size + 1) ** ZIPF
    return random.choice(size, size=(rows, words), p=weights / weights.sum())


def documents(rows: int, words: int = 60, size: int = 50_000, seed: int = 0) -> pa.Array:
    """Return documents with the given number of words, capitalised."""
    drawn = vocabulary(size)[_drawn(np.random.default_rng(seed), rows, words, size)]
    return pa.array([" ".join(row).capitalize() for row in drawn])


def reviews(rows: int, words: int = 60, size: int = 50_000) -> pa.Table:
    """Return documents, and labels 0 and 1 that depend on their words, with noise."""
    random = np.random.default_rng(6)
    drawn = _drawn(random, rows, words, size)
    opinion = random.normal(size=size)[drawn].sum(axis=1) / np.sqrt(words)
    label = (3 * opinion + random.logistic(size=rows) > 0).astype(float)
    return pa.table({"text": [" ".join(row) for row in vocabulary(size)[drawn]], "label": label})


def numbers(rows: int, columns: int, seed: int = 0, missing: float = 0.0) -> dict[str, pa.Array]:
    """Return columns `c0`, `c1`, ... of normally distributed doubles, a fraction of them null."""
    random = np.random.default_rng(seed)
    return {
        f"c{i}": pa.array(random.normal(size=rows), mask=random.random(rows) < missing if missing else None)
        for i in range(columns)
    }


def mixed(rows: int) -> pa.Table:
    """Return a table with columns of 10 numbers, 5 categories, 2 dates and 1 text."""
    random = np.random.default_rng(1)
    columns: dict[str, pa.Array] = numbers(rows, 10, missing=0.02)
    for i in range(5):
        levels = np.array([f"level {j}" for j in range(4 + 8 * i)])
        columns[f"k{i}"] = pa.array(random.choice(levels, size=rows))
    for i in range(2):
        day = dt.date(2000, 1, 1)
        columns[f"d{i}"] = pa.array(np.datetime64(day) + random.integers(0, 9000, size=rows))
    columns["text"] = documents(rows, words=8, size=5_000)
    return pa.table(columns)


def write(folder: Path, table: pa.Table) -> str:
    """Write a table as one parquet file per core and return the folder."""
    for core in range(CORES):
        part = table.take(np.arange(core, table.num_rows, CORES))
        pq.write_table(part, folder / f"part-{core}.parquet", compression="zstd", row_group_size=65_536)
    return str(folder)


def scored(rows: int) -> pa.Table:
    """Return labels 0 and 1, and scores that separate them partly, nearly all of them distinct."""
    random = np.random.default_rng(4)
    label = (random.random(rows) < 0.3).astype(float)
    return pa.table({"label": label, "score": random.normal(size=rows) + label})


def census(rows: int) -> pa.Table:
    """Return a table of people like the US census: 6 numbers, 8 categories, and an income that depends on them."""
    random = np.random.default_rng(5)

    def category(name: str, levels: int) -> np.ndarray:
        return random.choice(np.array([f"{name} {i}" for i in range(levels)]), size=rows)

    age = random.integers(17, 90, rows).astype(float)
    education = random.integers(1, 17, rows).astype(float)
    hours = random.normal(40, 12, rows).clip(1, 99).round()
    gain = np.where(random.random(rows) < 0.08, random.exponential(12_000, rows), 0.0).round()
    marital, occupation = category("marital", 7), category("occupation", 15)
    pull = (
        0.04 * (age - 38)
        + 0.35 * (education - 10)
        + 0.03 * (hours - 40)
        + 0.0003 * gain
        + 1.6 * (marital == "marital 0")
        + 0.8 * np.isin(occupation, ["occupation 1", "occupation 4"])
    )
    rich = pull + random.logistic(size=rows) > 1.5
    numbers = {
        "age": age,
        "fnlwgt": random.lognormal(12, 0.5, rows).round(),
        "education_num": education,
        "capital_gain": gain,
        "capital_loss": np.where(random.random(rows) < 0.05, random.exponential(1_900, rows), 0.0).round(),
        "hours": hours,
    }
    missing = random.random(rows) < 0.02
    return pa.table(
        {
            **{
                name: pa.array(values, mask=missing if name == "hours" else None)
                for name, values in numbers.items()
            },
            "workclass": category("class", 9),
            "education": pa.array([f"education {int(e)}" for e in education]),
            "marital": marital,
            "occupation": occupation,
            "relationship": category("relation", 6),
            "race": category("race", 5),
            "sex": category("sex", 2),
            "country": category("country", 42),
            "income": np.where(rich, "high", "low"),
        }
    )
