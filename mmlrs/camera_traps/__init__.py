"""Files of camera traps: COCO Camera Traps, results of MegaDetector, spreadsheets, and labels that people wrote.

Each function reads or writes one file, and tables have one row per picture. None starts Spark.
"""

from __future__ import annotations

from mmlrs._names import public
from mmlrs.camera_traps._coco_reader import read_coco
from mmlrs.camera_traps._coco_writer import write_coco
from mmlrs.camera_traps._label_files import read_labels
from mmlrs.camera_traps._matching import Matches, match_labels
from mmlrs.camera_traps._megadetector_reader import read_megadetector
from mmlrs.camera_traps._megadetector_writer import write_megadetector
from mmlrs.camera_traps._spreadsheets import write_csv

__all__ = [
    "Matches",
    "match_labels",
    "read_coco",
    "read_labels",
    "read_megadetector",
    "write_coco",
    "write_csv",
    "write_megadetector",
]

__dir__ = public(globals())
