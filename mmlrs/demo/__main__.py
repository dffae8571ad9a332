"""Runs the demo: ``python -m mmlrs.demo``."""

from mmlrs.demo import main

if __name__ == "__main__":
    main()
