"""`nodeprov verify`: checks of a node with testinfra."""
