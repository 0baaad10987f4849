-- what a lease leaves behind: ?3 more ready (fewer, if below 0), when it may be looked at, what it waits for, its meter,
-- and up to which number older messages were gathered into it
insert into lane (queue, lane, n, go, waits, tat, running, gathered) values (?1, ?2, max(0, ?3), ?4, ?5, ?6, ?7, ?8)
on conflict do update set n = max(0, n + ?3), go = ?4, waits = ?5, tat = ?6, running = ?7, gathered = ?8
