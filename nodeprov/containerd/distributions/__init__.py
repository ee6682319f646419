"""Kubernetes distributions: what each makes containerd's configuration of, and what a restart of it means."""
