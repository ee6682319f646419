"""A node: what is true of it, what its containerd has loaded, and how its configuration is swapped."""
