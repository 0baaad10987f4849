select name, cron, tz, task, queue, body, missed, next, last, paused from schedule order by name
