-- tallies of a transaction by queue and lane; the columns in the order of writer.TALLIES
insert into forebay.delta (
    queue, lane, ready, scheduled, running, dead, published, done, retried, died, cancelled, expired, discarded, seconds
)
select * from unnest(
    $1::text[], $2::text[], $3::int[], $4::int[], $5::int[], $6::int[], $7::int[], $8::int[], $9::int[], $10::int[],
    $11::int[], $12::int[], $13::int[], $14::float8[]
)
