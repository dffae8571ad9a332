"""Runs the demo: ``python -m mmlrs.demo``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mmlrs.demo import job
from mmlrs.demo.sources import SOURCES, chosen
from mmlrs.errors import IoError


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(
        prog="python -m mmlrs.demo", description="Train a classifier on real pictures and judge it."
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("demo-output"),
        help="folder for model and plots; default: %(default)s",
    )
    parser.add_argument(
        "--pictures", choices=sorted(SOURCES), help="default: tuxpaint if it is installed, else faces"
    )
    arguments = parser.parse_args()
    try:
        job.run(chosen(arguments.pictures), arguments.output)
    except IoError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
