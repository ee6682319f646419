"""From what is wanted to what is done: look, plan, apply, undo; a lock and a receipt around it."""
