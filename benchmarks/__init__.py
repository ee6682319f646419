"""Measurements beside peers. Not a part of the product, and no test: a figure is a ratio within one run."""
