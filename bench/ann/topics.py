"""Short texts with a topic each, hashed: the fortunes that Debian ships."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bench.ann.datasets import Labels, Rows, Split
from bench.measure import NotInstalledError

FORTUNES = Path("/usr/share/games/fortunes")
#: The largest files that have a topic.
TOPICS = ("songs-poems", "computers", "definitions", "people", "science", "politics", "work", "art")
SLOTS = 4_096
#: One in so many texts is held out.
HELD_OUT = 5


def texts() -> tuple[list[str], Labels]:
    """Return the texts of all topics, each once, and the number of their topic.

    Raises
    ------
    NotInstalledError
        If the Debian package is not installed.
    """
    topic_of: dict[str, int] = {}
    for number, topic in enumerate(TOPICS):
        file = FORTUNES / topic
        if not file.is_file():
            raise NotInstalledError(f"there is no {file}: install Debian's package fortunes, which has it")
        for text in file.read_text(encoding="utf-8").split("\n%\n"):
            if text.strip():
                topic_of.setdefault(text.strip(), number)
    return list(topic_of), np.array(list(topic_of.values()), np.int32)


def hashed(train: pa.Table, test: pa.Table) -> list[pa.ChunkedArray]:
    """Return the vectors of texts: words weighted by the inverse document frequency of those to train on, hashed to slots."""
    from mmlrs.text import TextFeaturizer

    featurizer = TextFeaturizer(
        inputCol="text",
        outputCol="features",
        numFeatures=SLOTS,
        tokenizerPattern=r"\W+",
        minTokenLength=1,
        outputType="array",
    )
    model = featurizer.fit(train)
    return [model.transform(table)["features"] for table in (train, test)]


def topics_split(seed: int, count: int | None = None) -> Split:
    """Return vectors of unit length of most texts to train on, and of the others to test with, chosen by the seed."""
    all_texts, topics = texts()
    order = np.random.default_rng(seed).permutation(len(topics))[:count]
    held_out = len(order) // HELD_OUT
    parts = [order[held_out:], order[:held_out]]
    tables = [pa.table({"text": [all_texts[row] for row in rows]}) for rows in parts]

    def rows(column: pa.ChunkedArray, chosen: NDArray[np.int64]) -> Rows:
        x = np.array(column.combine_chunks().flatten(), np.float32).reshape(-1, SLOTS)
        x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), np.float32(1e-9))
        return Rows(x, topics[chosen])

    train, test = (rows(column, chosen) for column, chosen in zip(hashed(*tables), parts, strict=True))
    return Split(train, test)
