"""Provision the gVisor sandboxed runtime on Kubernetes nodes over SSH."""

__version__ = "0.1.0"
