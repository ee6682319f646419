"""`python -m nodeprov`."""

from nodeprov.cli.main import main

main()
