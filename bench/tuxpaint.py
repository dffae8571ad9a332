"""How well a classifier of real photographs does with the default network's features, and with the pixels alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bench.measure import Figure, NotInstalledError, Setting

FOLDS = 5
#: Rows and columns of the pictures whose pixels are the features of the comparison.
SIDE = 32


def photographs() -> tuple[pa.Table, NDArray[np.str_]]:
    """Return the labelled photographs of Tux Paint as a table of encoded images, and their classes.

    Raises
    ------
    NotInstalledError
        If the pictures are not installed.
    """
    from mmlrs.demo import stamps

    found = list(stamps.pictures())
    if not found:
        advice = f"apt-get install tuxpaint-stamps-default, or set {stamps.VARIABLE} to the folder with the pictures"
        raise NotInstalledError(f"the photographs of Tux Paint are not installed: {advice}")
    files = pa.array([Path(str(picture.content)).read_bytes() for picture in found], pa.binary())
    return pa.table({"image": files}), np.array([picture.label for picture in found])


def network_features(pictures: pa.Table) -> NDArray[np.float32]:
    """Return the features of the default network. The pictures have a transparent background, which becomes white."""
    from mmlrs import vectors
    from mmlrs.image import ImageFeaturizer

    featurizer = ImageFeaturizer(inputCol="image", outputCol="features", alpha="composite")
    return np.asarray(vectors.to_numpy(featurizer.transform(pictures)["features"]), dtype=np.float32)


def pixels(pictures: pa.Table) -> NDArray[np.float32]:
    """Return the pixels of the pictures, shrunk to 32x32."""
    from mmlrs.image import ImageTransformer

    shrink = ImageTransformer(
        inputCol="image", outputCol="pixels", alpha="composite", interpolation="area", toTensor=True
    )
    tensors = shrink.resize(SIDE, SIDE).transform(pictures)["pixels"]
    return np.array(tensors.to_pylist(), dtype=np.float32).reshape(pictures.num_rows, -1)


def accuracies(features: NDArray[np.float32], labels: NDArray[np.str_]) -> NDArray[np.float64]:
    """Return the accuracy of logistic regression in per cent, for each of the stratified folds."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    learner: Any = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    return 100 * np.asarray(cross_val_score(learner, features, labels, cv=folds))


def tuxpaint(setting: Setting) -> Iterator[Figure]:
    """Transfer learning: accuracy of logistic regression on the photographs of Tux Paint, mean of five stratified folds."""
    pictures, labels = photographs()
    counts = Counter(labels.tolist())
    data = f"{len(labels)} pictures: " + ", ".join(
        f"{name} {count}" for name, count in sorted(counts.items())
    )
    for what, features, target in (
        ("features of EfficientNet-Lite0", network_features(pictures), 85.0),
        (f"pixels of {SIDE}x{SIDE}", pixels(pictures), None),
    ):
        folds = accuracies(features, labels)
        detail = f"folds from {folds.min():.1f} to {folds.max():.1f} %; {data}"
        yield Figure(
            f"accuracy in {len(counts)} classes, {what}", float(folds.mean()), "%", target, detail=detail
        )
