"""Initial weights in the forms that users have them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mmlrs import _native
from mmlrs.errors import InvalidParamError, MmlrsError

if TYPE_CHECKING:
    from mmlrs.engine.training import Specification

__all__ = ["parameters_in", "read_network"]


def read_network(stage: str, network: bytes) -> tuple[str, bytes]:
    """Return the description of a network file as JSON, and the bytes of its weights.

    Raises
    ------
    ModelLoadError
        The file is damaged or from a newer version.
    """
    try:
        return _native.read_network(network)
    except MmlrsError as error:
        raise type(error)(f"{stage}: {error}") from None


def parameters_in(given: Any, specification: Specification) -> bytes:
    """Return the content of the param `initialWeights`, a handle, as all weights of a network in single precision.

    Weights of the first layers are completed with the random ones of the seed.

    Raises
    ------
    InvalidParamError
        The numbers or layers are not those of the network or of its first layers, or not all numbers are finite.
    IoError
        A file cannot be read.
    """
    import numpy as np

    stage = specification.stage
    try:
        content = given.read()
    except MmlrsError as error:
        raise type(error)(f"{stage}: param `initialWeights`: {error}") from None
    # A network file starts with the length of its header.
    if content[8:9] == b"{" and len(content) != 4 * specification.size:
        text, content = read_network(stage, content)
        _check_layers(specification, json.loads(text))
    if len(content) % 4:
        raise InvalidParamError(
            f"{stage}: param `initialWeights` has {len(content):,} bytes, which are no numbers in single precision of 4 bytes each"
        )
    wrong = np.flatnonzero(~np.isfinite(np.frombuffer(content, "<f4")))
    if wrong.size:
        raise InvalidParamError(
            f"{stage}: param `initialWeights` has {wrong.size:,} numbers that are NaN or infinite, the first at place {wrong[0]}; use "
            "the weights of a training that did not diverge"
        )
    if len(content) == 4 * specification.size:
        return content
    ends = _ends(specification)
    if len(content) // 4 not in ends:
        first = f", of which the first layers have {_listed(ends)}" if ends else ""
        raise InvalidParamError(
            f"{stage}: param `initialWeights` has {len(content) // 4:,} numbers, but the network has {specification.size:,} weights{first}"
        )
    return content + _random(specification)[len(content) :]


def _listed(numbers: list[int]) -> str:
    *others, last = [f"{number:,}" for number in numbers]
    return f"{', '.join(others)} or {last}" if others else last


def _trained_layers(described: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the layers without those of dropout, which may differ."""
    return [layer for layer in described["layers"] if layer["kind"] != "dropout"]


def _check_layers(specification: Specification, given: dict[str, Any]) -> None:
    """Raise if the layers of a network are not the first ones of the network to train."""
    # As the native core writes it, like the given one.
    text, _ = _native.read_network(_native.network_file(specification.network, bytes(4 * specification.size)))
    own = json.loads(text)
    remedy = "to start from numbers of another network, give its `weights`"
    if given["input"] != own["input"]:
        raise InvalidParamError(
            f"{specification.stage}: param `initialWeights` is a network that reads {_shape(given)}, but this one reads {_shape(own)}; "
            f"{remedy}"
        )
    layers = _trained_layers(own)
    for number, layer in enumerate(_trained_layers(given)):
        if number == len(layers):
            raise InvalidParamError(
                f"{specification.stage}: param `initialWeights` is a network of more layers than this one, which has {number}; {remedy}"
            )
        if layer != layers[number]:
            raise InvalidParamError(
                f"{specification.stage}: param `initialWeights` is a network whose layer {number} is {json.dumps(layer)}, but that of "
                f"this one is {json.dumps(layers[number])}; {remedy}"
            )


def _shape(described: dict[str, Any]) -> str:
    sizes = described["input"]
    return f"vectors of {sizes[0]}" if len(sizes) == 1 else f"images of {' x '.join(map(str, sizes))}"


def _ends(specification: Specification) -> list[int]:
    """Return how many weights the first layers of a network have, if not all or none."""
    described = json.loads(specification.network)
    found = set()
    for count in range(1, len(described["layers"])):
        part = {**described, "layers": described["layers"][:count], "loss": {"kind": "squared_error"}}
        found.add(json.loads(_native.network_info(json.dumps(part)))["parameters"])
    return sorted(found - {0, specification.size})


def _random(specification: Specification) -> bytes:
    """Return the weights with which a network starts if none are given."""
    return _native.initial_weights(specification.network, json.loads(specification.settings)["seed"])
