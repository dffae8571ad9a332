"""Animals, birds and people drawn as silhouettes with the texture of fur, feathers or clothes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from mmlrs.examples.camera_traps.noise import Floats, fractal
from mmlrs.examples.camera_traps.species import SPECIES, Shape

#: Length in pixels of the trunk of a drawn animal, and margin around it for legs, neck and tail.
TRUNK = 200
MARGIN = 260
_Point = tuple[float, float]


def drawing(rng: np.random.Generator, label: str) -> tuple[Image.Image, float]:
    """Return an animal facing right, mode RGBA without empty borders, and its height in metres."""
    shape = SPECIES[label].shape
    if shape is not None:
        mask, legs, shoulder = _quadruped(rng, shape)
        coat, tone, scale = shape.coat, shape.tone, shape.metres / shoulder
    elif label == "bird":
        mask, legs = _bird(rng)
        coat, tone, scale = "plain", float(rng.uniform(0.1, 0.6)), float(rng.uniform(0.25, 0.5)) / 160
    else:
        mask, legs = _person(rng)
        coat, tone, scale = "clothes", float(rng.uniform(0.15, 0.7)), 1.75 / 400
    box = mask.getbbox()
    assert box is not None
    pixels = _coat(rng, mask, legs, coat, tone)
    picture = Image.fromarray(pixels)
    picture.putalpha(mask.filter(ImageFilter.GaussianBlur(1.2)))
    return picture.crop(box), (box[3] - box[1]) * scale


def _limb(draw: ImageDraw.ImageDraw, points: list[_Point], widths: list[float]) -> None:
    """Draw a chain of tapered segments with round joints."""
    for (start, end), (first, last) in zip(pairwise(points), pairwise(widths)):
        vector = np.subtract(end, start)
        normal = np.array([-vector[1], vector[0]]) / max(float(np.hypot(*vector)), 1e-6)
        corners = (
            start + normal * first / 2,
            end + normal * last / 2,
            end - normal * last / 2,
            start - normal * first / 2,
        )
        draw.polygon([(float(x), float(y)) for x, y in corners], fill=255)
        for (x, y), width in ((start, first), (end, last)):
            draw.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=255)


def _quadruped(rng: np.random.Generator, shape: Shape) -> tuple[Image.Image, Image.Image, float]:
    """Return the outline of an animal, that of its legs, and the height of its shoulder in pixels."""
    side = TRUNK + 2 * MARGIN
    mask, legs = Image.new("L", (side, side)), Image.new("L", (side, side))
    draw, leg = ImageDraw.Draw(mask), ImageDraw.Draw(legs)

    def vary(value: float, spread: float = 0.1) -> float:
        return float(value * rng.normal(1, spread))

    girth, length = vary(shape.girth) * TRUNK, vary(shape.legs) * TRUNK
    hip, shoulder = (MARGIN, MARGIN), (MARGIN + TRUNK, MARGIN + vary(0.03, 0.5) * TRUNK)
    belly = (MARGIN + TRUNK / 2, MARGIN + 0.06 * girth)
    _limb(draw, [hip, belly, shoulder], [0.92 * girth, 0.95 * girth, girth])
    ground = MARGIN + girth / 2 + length
    stride = float(rng.uniform(0.1, 0.5)) * length
    for x, phase in ((hip[0], 1), (hip[0] + 12, -1), (shoulder[0], -0.8), (shoulder[0] - 12, 0.9)):
        foot = (x + phase * stride, ground - 3 * abs(phase))
        knee = (
            x + 0.5 * phase * stride + (8 if x > MARGIN + TRUNK / 2 else -10),
            MARGIN + girth / 2 + 0.42 * length,
        )
        _limb(
            leg,
            [(x, MARGIN), knee, foot, (foot[0] + 10, ground)],
            [0.42 * girth, 0.15 * girth + 5, 0.07 * girth + 5, 0.08 * girth + 6],
        )
    angle = np.radians(shape.raised + rng.normal(0, 14))
    neck = vary(shape.neck) * TRUNK
    nape = (
        shoulder[0] + 0.15 * girth + neck * float(np.cos(angle)),
        shoulder[1] - 0.15 * girth - neck * float(np.sin(angle)),
    )
    head = vary(shape.head) * TRUNK
    _limb(draw, [(shoulder[0], shoulder[1] - 0.08 * girth), nape], [0.75 * girth, 0.85 * head])
    nose = (nape[0] + 0.3 * head + vary(shape.snout) * TRUNK, nape[1] + 0.25 * head)
    _limb(draw, [nape, nose], [head, 0.4 * head])
    for shift in (-0.25, 0.1):
        base = (nape[0] + shift * head, nape[1] - 0.35 * head)
        _limb(
            draw,
            [base, (base[0] - 0.2 * head, base[1] - vary(shape.ears) * TRUNK)],
            [0.3 * head, 0.12 * head],
        )
    if shape.antlers and rng.random() < 0.5:
        _antlers(draw, rng, (nape[0] - 0.1 * head, nape[1] - 0.4 * head))
    tail, droop = vary(shape.tail, 0.2) * TRUNK, float(rng.uniform(0.2, 1.1))
    rump = (hip[0] - 0.35 * girth, hip[1] - 0.15 * girth)
    middle = (rump[0] - 0.5 * tail * float(np.cos(droop)), rump[1] + 0.5 * tail * float(np.sin(droop)))
    tip = (middle[0] - 0.45 * tail, middle[1] + float(rng.uniform(-0.3, 0.2)) * tail)
    brush = shape.brush * TRUNK
    _limb(draw, [rump, middle, tip], [0.7 * brush + 3, brush, 0.7 * brush])
    mask.paste(255, (0, 0), legs)
    return mask, legs, ground - MARGIN + girth / 2


def _antlers(draw: ImageDraw.ImageDraw, rng: np.random.Generator, base: _Point) -> None:
    for lean in (-0.5, 0.35):
        top = (base[0] + lean * 70, base[1] - float(rng.uniform(60, 110)))
        _limb(draw, [base, (base[0] + lean * 60, base[1] - 40), top], [8, 6, 4])
        for share in (0.4, 0.7):
            fork = (base[0] + lean * 62, base[1] + share * (top[1] - base[1]))
            _limb(draw, [fork, (fork[0] + 28, fork[1] - 22)], [5, 3])


def _bird(rng: np.random.Generator) -> tuple[Image.Image, Image.Image]:
    """Return the outline of a standing bird, 160 pixels high, and that of its legs."""
    mask, legs = Image.new("L", (360, 360)), Image.new("L", (360, 360))
    draw, leg = ImageDraw.Draw(mask), ImageDraw.Draw(legs)
    tilt = float(rng.uniform(-0.1, 0.5))
    chest, rump = (200.0, 160 - 30 * tilt), (120.0, 165 + 40 * tilt)
    fat, length = float(rng.uniform(55, 85)), float(rng.uniform(30, 70))
    _limb(draw, [rump, chest], [0.55 * fat, fat])
    _limb(draw, [rump, (rump[0] - float(rng.uniform(40, 90)), rump[1] + 45 * tilt)], [0.5 * fat, 14])
    head = (chest[0] + 25, chest[1] - float(rng.uniform(40, 80)))
    _limb(draw, [chest, head], [0.7 * fat, 34])
    _limb(draw, [head, (head[0] + float(rng.uniform(22, 40)), head[1] + 4)], [16, 3])
    for x in (155, 175):
        step = float(rng.uniform(-15, 15))
        _limb(leg, [(x, 180), (x + step, 180 + length), (x + step + 14, 182 + length)], [8, 5, 4])
    mask.paste(255, (0, 0), legs)
    return mask, legs


def _person(rng: np.random.Generator) -> tuple[Image.Image, Image.Image]:
    """Return the outline of a walking person, 400 pixels high, and that of the trousers."""
    mask, legs = Image.new("L", (420, 520)), Image.new("L", (420, 520))
    draw, leg = ImageDraw.Draw(mask), ImageDraw.Draw(legs)
    stride, swing = float(rng.uniform(15, 70)), float(rng.uniform(10, 50))
    neck, hip = (210.0 + float(rng.uniform(0, 15)), 130.0), (205.0, 275.0)
    _limb(draw, [neck, (208, 200), hip], [62, 88, 72])
    draw.ellipse((neck[0] - 22, 62, neck[0] + 28, 122), fill=255)
    for phase in (1, -1):
        foot = (hip[0] + phase * stride, 455.0)
        _limb(
            leg, [hip, (hip[0] + 0.6 * phase * stride + 8, 365), foot, (foot[0] + 24, 460)], [52, 38, 24, 16]
        )
        _limb(
            draw,
            [(neck[0], 155), (neck[0] + phase * swing, 215), (neck[0] + 1.3 * phase * swing + 16, 270)],
            [32, 26, 18],
        )
    if rng.random() < 0.5:
        _limb(draw, [(165, 160), (160, 235)], [58, 66])
    mask.paste(255, (0, 0), legs)
    return mask, legs


def _coat(
    rng: np.random.Generator, mask: Image.Image, legs: Image.Image, coat: str, tone: float
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return the colours of a coat: lit from above, with hairs, and the marks of the species."""
    size = mask.size
    hairs = fractal(rng, size, 9, 3, 0.8, stretch=0.35)
    shade = np.asarray(mask.filter(ImageFilter.GaussianBlur(22)), np.float32) / 255
    above = np.asarray(mask.filter(ImageFilter.GaussianBlur(30)), np.float32) / 255
    lit = np.clip(0.55 + 0.5 * shade + 1.2 * (np.roll(above, -24, 0) - np.roll(above, 24, 0)), 0.3, 1.5)
    value = tone * rng.uniform(0.8, 1.25) * lit * (0.6 + 0.8 * hairs) * (0.7 + 0.6 * fractal(rng, size, 60))
    value *= 1 - _marks(rng, size, coat)
    limbs = np.asarray(legs, np.float32) / 255
    dark = {"dark legs": 0.55, "clothes": float(rng.uniform(0.1, 0.7))}.get(coat, 0.15)
    # The marks of the legs end below the belly.
    fade = np.clip((np.cumsum(limbs > 0, axis=0) - 0.3 * limbs.sum(0)) / 20, 0, 1)
    value *= 1 - dark * limbs * (fade if coat == "dark legs" else 1)
    hue = np.array((1.12, 1.0, 0.82)) if coat != "clothes" else rng.uniform(0.7, 1.2, 3)
    return np.clip(255 * value[:, :, None] * hue, 0, 255).astype(np.uint8)


def _marks(rng: np.random.Generator, size: tuple[int, int], coat: str) -> Floats:
    """Return how much darker the marks of a coat are."""
    if coat == "spotted":
        spots = fractal(rng, size, 11, 2, 0.5)
        return (0.6 * np.clip((spots - 0.55) * 10, 0, 1)).astype(np.float32)
    if coat == "patched":
        return (0.65 * np.clip((fractal(rng, size, 110, 3) - 0.6) * 14, 0, 1)).astype(np.float32)
    return np.zeros((size[1], size[0]), np.float32)
