"""Releases: found, downloaded once, verified, and kept unpacked in a cache on this machine."""
