select min(due) from message indexed by message_due where state = 0
