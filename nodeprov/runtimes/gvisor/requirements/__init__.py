"""What gVisor needs of a node, by subject."""
