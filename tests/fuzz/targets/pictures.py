"""Pictures of every format with changed chunks, segments, tags and headers."""

from __future__ import annotations

import random
from typing import Any

from decoding import check_decoding
from formats import changed_picture
from seeds import pictures

BATCH = 64
SHORT = 512


def item(rng: random.Random) -> Any:
    kind = rng.choice(list(pictures()))
    return changed_picture(kind, rng.choice(pictures()[kind]), rng)


check = check_decoding
