"""Networks with int8 weights and activations, from calibration on data. Private: stages offer it as `quantize`."""

from __future__ import annotations

from mmlrs._quantization.stage import Quantizable

__all__ = ["Quantizable"]
