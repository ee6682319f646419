"""What `nodeprov verify` checks, as testinfra tests; each one's docstring is its title."""
