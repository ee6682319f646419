"""Machines to try nodeprov on, and to test it with: a small Kubernetes, and a mirror of releases.

It is a program of its own: of nodeprov it uses what any program could (pyproject.toml says what that is). The
Kubernetes has no gVisor; only gvisor_releases.py knows it, and builds what the mirror serves.
"""
