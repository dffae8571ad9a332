"""How many pictures a second a cluster featurizes, against executors and data size, and a model that predicts it.

``python -m mmlrs.examples.scaling --master URL --images DIR --executors 1,2,4,8 --out DIR`` measures `ImageFeaturizer`, fits the model
on the fewest executors, and compares its predictions with the measurements of more.
"""

from __future__ import annotations

from mmlrs._names import public
from mmlrs.examples.scaling.fit import fit
from mmlrs.examples.scaling.measuring import measure
from mmlrs.examples.scaling.model import Prediction, ScalingModel
from mmlrs.examples.scaling.request import Request
from mmlrs.examples.scaling.runs import Run, Task

__all__ = ["Prediction", "Request", "Run", "ScalingModel", "Task", "fit", "measure"]

__dir__ = public(globals())
