-- The verbs that are called most, each one round trip. Whoever calls them from another language gives no `now_`: it is
-- the server's own then, seconds since the epoch. Bodies and headers are MessagePack. Who leases sets what Forebay sets
-- for its sessions (wire.py), so that no plan reads a whole table; that is not done here, for it costs more than a verb.

-- As `publish`, of one message that asks for nothing special; whether it was accepted.
create function forebay.publish_one(
    id_ text, body_ bytea, queue_ text, task_ text default '', lane_ text default '', priority_ bigint default 0,
    ttl_ double precision default null, key_ text default null, headers_ bytea default null,
    now_ double precision default null
) returns boolean language plpgsql as $$
declare
    t double precision := coalesce(now_, extract(epoch from clock_timestamp()));
begin
    if not exists (select from forebay.lane l where l.queue = queue_ and l.lane = lane_ and l.priority = priority_) then
        insert into forebay.queue (name) values (queue_) on conflict do nothing;
        insert into forebay.lane (queue, lane, priority) values (queue_, lane_, priority_) on conflict do nothing;
    end if;
    with new as (
        insert into forebay.message (id, queue, lane, task, state, priority, created, expires, key, headers, body)
        values (
            id_, queue_, lane_, task_, 1, priority_, t,
            t + coalesce(ttl_, (select q.ttl from forebay.queue q where q.name = queue_)), key_, headers_, body_
        )
        on conflict (id) do nothing returning 1
    )
    insert into forebay.delta (queue, lane, published, ready) select queue_, lane_, 1, 1 from new;
    if not found then
        return false;
    end if;
    if exists (select from forebay.ended e where e.id = id_) then  -- as in `publish`, in a look that comes after
        delete from forebay.message m where m.id = id_;
        insert into forebay.delta (queue, lane, published, ready) values (queue_, lane_, -1, -1);
        return false;
    end if;
    return true;
end $$;

-- Whether a gate of this lane, or of its whole queue, is closed.
create function forebay.shut(queue_ text, lane_ text, t double precision) returns boolean language sql stable as $$
    select exists (
        select from forebay.closed c
        where c.queue = queue_ and c.what in ('', 'lane:' || lane_) and (c.until is null or c.until > t)
    )
$$;
