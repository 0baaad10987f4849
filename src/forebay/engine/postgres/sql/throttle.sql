-- close a lane until a time that somebody was told; an earlier one changes nothing
insert into forebay.closed as c (queue, what, holder, reason, since, until)
values ($1, 'lane:' || $2, $3, $4, $5::float8, $6::float8)
on conflict (queue, what, holder) do update set
    since = case when c.until is null or c.until > excluded.since then c.since else excluded.since end,
    reason = excluded.reason, until = excluded.until
where c.until is null or c.until <= excluded.until
