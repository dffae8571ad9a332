"""Measurements of mmlrs beside what its users would use instead: ``python -m bench``."""
