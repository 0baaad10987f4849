-- back to waiting: state, due, refund, losses, lane, failure, cause, known (null: nobody looked); $10 is now
update forebay.message m set
    state = a.state, back = true, due = coalesce(a.due, m.due), attempt = m.attempt - a.refund, lost = a.lost,
    lane = coalesce(a.lane, m.lane), failure = coalesce(a.failure, m.failure), cause = a.cause,
    worker = null, leased = null, visit = null, cancel = false,
    unknown = case a.known when true then null when false then coalesce(m.unknown, $10::float8) else m.unknown end
from unnest(
    $1::bigint[], $2::smallint[], $3::float8[], $4::int[], $5::bigint[], $6::text[], $7::bytea[], $8::text[], $9::bool[]
) as a (seq, state, due, refund, lost, lane, failure, cause, known)
where m.seq = a.seq
