"""A node's run that a cluster starts itself: what is asked of it, the pod that it runs in, and what it answers."""
