select seq, queue, cancel from message indexed by message_running where state = 2 and worker = ?1
