"""The dead man's switch: a node swaps files and restarts containerd, and goes back if it does not serve."""
