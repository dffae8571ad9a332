"""Runs the demo: ``python -m mmlrs.demo``."""

from mmlrs.demo import main

main()
