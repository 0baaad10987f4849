-- a schedule that did not change keeps its place in time
insert into forebay.schedule as s (name, cron, tz, form, missed, overlap, next, declared)
values ($1, $2, $3, $4::bytea, $5, $6, $7::float8, $8::float8)
on conflict (name) do update set
    next = case when s.cron = excluded.cron and s.tz = excluded.tz then s.next else excluded.next end,
    cron = excluded.cron, tz = excluded.tz, form = excluded.form, missed = excluded.missed, overlap = excluded.overlap,
    declared = excluded.declared
