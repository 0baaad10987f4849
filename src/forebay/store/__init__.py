"""Shared state beside the messages: dead letters, gates, schedules, results, worker rows."""
