"""Pictures with EXIF and XMP of any kind, whole or broken: none may make a picture unreadable."""

from __future__ import annotations

import random
from typing import Any

from decoding import check_decoding
from formats import with_metadata
from seeds import pictures

BATCH = 64
SHORT = 512


def item(rng: random.Random) -> Any:
    kind = rng.choice(["jpeg", "png", "webp"])
    return with_metadata(kind, rng.choice(pictures()[kind]), rng)


check = check_decoding
