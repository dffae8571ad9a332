"""What the tests of images share."""

from __future__ import annotations

import numpy as np
import pytest
from pictures import PICTURES


@pytest.fixture(params=PICTURES)
def picture(request) -> np.ndarray:
    return PICTURES[request.param]
