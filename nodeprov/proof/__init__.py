"""Pods that prove a node: their image, their life, their cgroups."""
