"""The cluster: what is read of it, and what is changed, by kubectl."""
