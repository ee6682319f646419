"""What any runtime's installation needs of a node; each finds what stands against it."""
