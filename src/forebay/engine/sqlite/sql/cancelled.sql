select id from message indexed by message_cancel where cancel = 1 and worker = ?1 and state = 2
