"""Machines to try nodeprov on, and to test it with: a small Kubernetes that knows nothing of gVisor."""
