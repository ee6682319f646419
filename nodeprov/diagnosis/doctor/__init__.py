"""`nodeprov doctor`: what stands against an install on a node, and advice."""
