"""`python -m nodeprov`."""

from nodeprov.cli import main

main()
