"""Families of runtimes for tests, beside those of the product."""
