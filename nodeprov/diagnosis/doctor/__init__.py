"""`nodeprov doctor`: what would block an install on a node, and advice."""
