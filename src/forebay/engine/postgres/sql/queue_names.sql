select name from forebay.queue
