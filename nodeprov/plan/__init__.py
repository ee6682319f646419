"""A plan as a value: resources, goals, changes, and the steps between what is and what is wanted."""
