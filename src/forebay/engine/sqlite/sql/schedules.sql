select name, cron, tz, form, missed, overlap, next, last, paused, declared from schedule order by name
