select name, cron, tz, form, missed, overlap, next, last, paused, declared from forebay.schedule order by name
