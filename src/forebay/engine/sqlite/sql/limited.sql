select name, limits from queue indexed by queue_limited where limits is not null
