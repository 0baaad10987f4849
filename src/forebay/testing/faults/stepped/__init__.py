"""The folder that goes on PYTHONPATH of a process whose date is to jump; see `sitecustomize` beside this."""
