"""The command line: typer's commands, and what a person sees."""
