"""What about this node? Checks, advice, status, and an archive for a bug report."""
