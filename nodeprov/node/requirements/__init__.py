"""What any runtime's installation needs of a node; each finds what blocks it."""
