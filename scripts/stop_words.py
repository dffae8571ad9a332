"""Copies the stop words of Spark unchanged to rust/text/src/stop_words, one file per language."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

import pyspark

FOLDER = "org/apache/spark/ml/feature/stopwords/"


def main() -> None:
    """Rewrite the files from the installed pyspark."""
    target = Path(__file__).parents[1] / "rust" / "text" / "src" / "stop_words"
    target.mkdir(exist_ok=True)
    [jar] = Path(pyspark.__file__).parent.glob("jars/spark-mllib_*.jar")
    with ZipFile(jar) as archive:
        for name in archive.namelist():
            if name.startswith(FOLDER) and name != FOLDER:
                file = name.removeprefix(FOLDER)
                (target / (file if file.endswith(".txt") else f"{file}.txt")).write_bytes(archive.read(name))


if __name__ == "__main__":
    main()
