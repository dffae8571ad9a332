"""The EXIF block of a frame."""

from __future__ import annotations

import datetime as dt

from PIL import Image

from mmlrs.examples.camera_traps.bursts import Camera

#: Numbers of tags, as in the EXIF standard 2.32.
MAKE, MODEL, ORIENTATION, DATE_TIME, BLOCK = 0x010F, 0x0110, 0x0112, 0x0132, 0x8769
TIME_ORIGINAL, TIME_DIGITIZED, SERIAL = 0x9003, 0x9004, 0xA431


def exif(camera: Camera, time: dt.datetime) -> Image.Exif:
    """Return make, model, serial number and orientation of a camera, and the time of a frame."""
    block = Image.Exif()
    written = time.strftime("%Y:%m:%d %H:%M:%S")
    block[MAKE], block[MODEL], block[ORIENTATION], block[DATE_TIME] = camera.make, camera.model, 1, written
    inner = block.get_ifd(BLOCK)
    inner[TIME_ORIGINAL], inner[TIME_DIGITIZED], inner[SERIAL] = written, written, camera.serial
    return block
