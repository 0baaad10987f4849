-- one that this holder has closed already keeps its time, unless it had opened by itself meanwhile
insert into closed (queue, what, holder, reason, since, until) values (?1, ?2, ?3, ?4, ?5, ?6)
on conflict do update set
    since = case when until is null or until > excluded.since then since else excluded.since end,
    reason = excluded.reason, until = excluded.until
