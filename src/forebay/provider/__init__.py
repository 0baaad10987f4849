"""Outside services that tasks depend on: what their answers mean."""
