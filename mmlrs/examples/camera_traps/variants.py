"""The pipelines that the study compares: from a picture to the probability that it shows the target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from mmlrs.errors import InvalidParamError
from mmlrs.image import ImageFeaturizer, ImageSetAugmenter, ImageTransformer, UnrollImage
from mmlrs.stages import ClassBalancer

if TYPE_CHECKING:
    from pyspark.ml import Pipeline

__all__ = ["VARIANTS", "Settings", "Variant", "features_of", "learner", "pipeline", "spatial_pooling"]

#: Rows and columns of the pictures whose pixels are learnt.
SIDE = 120
#: Largest training matrix, in bytes, for which RN2 keeps all values of the network's map. Beyond, it keeps means over 2 x 2 parts.
MAX_MAP_BYTES = 64 * 2**20
#: The L2 penalty of the logistic regression, and whether features are standardized, for each kind of features. Both were chosen by
#: cross-validation on the training cameras of a generated set. The features of a network have one scale. Standardized, a feature that is
#: hardly ever active would count as much as any other, and far too much at a camera where it is active.
PENALTIES = {"pixels": (10.0, True), "pooled": (0.1, False), "spatial": (0.1, False)}


@dataclass(frozen=True)
class Variant:
    """One way from pictures to scores.

    Parameters
    ----------
    name : str
        Its short name, as in the paper.
    features : {"pixels", "pooled", "spatial"}
        What the logistic regression learns from.
    flips : bool
        Whether it also learns from the mirror images, and averages the scores of a picture and its mirror image.
    bursts : bool
        Whether scores are averaged over bursts.
    title : str
        What it is, in a few words.
    """

    name: str
    features: str
    flips: bool
    bursts: bool
    title: str


VARIANTS = (
    Variant("LR120", "pixels", False, False, f"pixels of a {SIDE} x {SIDE} picture, without a network"),
    Variant("RN1", "pooled", False, False, "features of a network, averaged over the picture"),
    Variant("RN2", "spatial", False, False, "features of a network that keep where something is"),
    Variant("RN2+A", "spatial", True, False, "RN2, also trained on mirror images; both are scored"),
    Variant("RN2+A+E", "spatial", True, True, "RN2+A, averaged over each burst"),
)


@dataclass(frozen=True)
class Settings:
    """What all variants share.

    Parameters
    ----------
    network : str
        Name or path of the network.
    pooling : {"none", "grid"}
        How RN2 reads the network's map.
    iterations : int
        Iterations of the logistic regression, at most.
    """

    network: str = "efficientnet-lite0"
    pooling: Literal["none", "grid"] = "grid"
    iterations: int = 40


def features_of(kind: str, settings: Settings, input_col: str, output_col: str) -> list[Any]:
    """Return the stages from a picture to the features of a kind.

    Parameters
    ----------
    kind : {"pixels", "pooled", "spatial"}
        The features.
    settings : Settings
        Network and pooling.
    input_col, output_col : str
        The column of pictures, and the column of vectors to add.
    """
    if kind == "pixels":
        small = f"{output_col}_small"
        return [
            ImageTransformer(inputCol=input_col, outputCol=small).resize(SIDE, SIDE),
            UnrollImage(inputCol=small, outputCol=output_col, nChannels=1),
        ]
    if kind == "pooled":
        return [
            ImageFeaturizer(
                inputCol=input_col, outputCol=output_col, model=settings.network, cutOutputLayers=1
            )
        ]
    if kind == "spatial":
        return [
            ImageFeaturizer(
                inputCol=input_col,
                outputCol=output_col,
                model=settings.network,
                cutOutputLayers=2,
                pooling=settings.pooling,
            )
        ]
    raise InvalidParamError(
        f'camera_traps: param `features` must be "pixels", "pooled" or "spatial", got {kind!r}'
    )


def learner(kind: str, settings: Settings) -> Pipeline:
    """Return class weights and a logistic regression, which learn the column `target` from `features` of a kind."""
    from pyspark.ml import Pipeline
    from pyspark.ml.classification import LogisticRegression

    penalty, standardized = PENALTIES[kind]
    regression = LogisticRegression(
        labelCol="target",
        weightCol="weight",
        regParam=penalty,
        standardization=standardized,
        maxIter=settings.iterations,
    )
    return Pipeline(stages=[ClassBalancer(inputCol="target", outputCol="weight"), regression])


def pipeline(variant: Variant, settings: Settings) -> Pipeline:
    """Return the whole pipeline of a variant: fitted on the columns `image` and `target`, it adds `probability`.

    The study computes the features of each picture once instead, which gives the same models. A pipeline with flips returns two rows
    per picture, and `EnsembleByKey` averages them.
    """
    from pyspark.ml import Pipeline

    column = "both" if variant.flips else "image"
    flips = [ImageSetAugmenter(inputCol="image", outputCol=column)] if variant.flips else []
    stages = [
        *flips,
        *features_of(variant.features, settings, column, "features"),
        *learner(variant.features, settings).getStages(),
    ]
    return Pipeline(stages=stages)


def spatial_pooling(network: str, picture: bytes, rows: int) -> tuple[Literal["none", "grid"], int]:
    """Return how RN2 reads the network's map, and how many values the map has.

    Parameters
    ----------
    network : str
        Name or path of the network.
    picture : bytes
        Any picture.
    rows : int
        Rows of the training matrix.
    """
    whole = features_of("spatial", Settings(network, "none"), "image", "map")[0]
    made = whole.copy({"outputType": "array"}).transform(
        pa.table({"image": pa.array([picture], pa.binary())})
    )
    values = len(made["map"][0])
    return ("none" if rows * values * 8 <= MAX_MAP_BYTES else "grid"), values
