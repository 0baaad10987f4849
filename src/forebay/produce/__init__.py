"""Getting work in: tasks, their typed arguments, messages and handles."""
