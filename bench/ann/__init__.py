"""Measures of trainable networks."""
