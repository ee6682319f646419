"""Admission policies: who must run in a sandbox, and who may change that."""
