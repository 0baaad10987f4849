select name, cron, tz, form, missed, overlap, next, last, paused from schedule order by name
