-- a schedule that did not change keeps its place in time
insert into schedule (name, cron, tz, form, missed, overlap, next, declared)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
on conflict (name) do update set
    next = case when cron = excluded.cron and tz = excluded.tz then next else excluded.next end,
    cron = excluded.cron, tz = excluded.tz, form = excluded.form, missed = excluded.missed, overlap = excluded.overlap,
    declared = excluded.declared
