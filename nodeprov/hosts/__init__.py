"""Machines that nodeprov reads and changes: over SSH, or this one."""
