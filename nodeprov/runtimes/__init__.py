"""Sandboxed runtimes that nodeprov can install; each family is a folder."""
