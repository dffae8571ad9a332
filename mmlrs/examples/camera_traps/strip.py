"""The strip that many cameras write into their pictures: name, date and time."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFont

from mmlrs.examples.camera_traps.bursts import Camera


def strip(camera: Camera, size: tuple[int, int], text: str) -> Image.Image | None:
    """Return the strip for pictures of width and height `size`, mode L; None for cameras without one."""
    if not camera.stamps:
        return None
    height = max(round(size[1] * 0.035), 6)
    dark = camera.make != "Moorhen"
    picture = Image.new("L", (size[0], height), 0 if dark else 245)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(0.75 * height)
    color = 235 if dark else 20
    draw.text((0.5 * height, height / 2), camera.make.upper(), color, font, anchor="lm")
    draw.text((size[0] / 2, height / 2), text, color, font, anchor="mm")
    draw.text((size[0] - 0.5 * height, height / 2), camera.name, color, font, anchor="rm")
    return picture
