"""Benchmarks of mmlrs against the alternatives that its users would choose: ``python -m bench``."""
