"""gVisor: its layout on a node, its configuration, what it needs, where it comes from."""
