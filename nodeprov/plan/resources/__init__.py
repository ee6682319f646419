"""One file for each kind of state: how it is read, written, kept as JSON and shown to people."""
