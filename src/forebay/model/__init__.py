"""What travels: messages, deliveries, outcomes and the table that owns their life. Imports nothing else of ours."""
