"""Reading the system: one read model for the command line, the dashboard and tests. Changes nothing."""
