"""Whole studies that run from the command line, made of the public parts of mmlrs."""
