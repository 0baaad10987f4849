-- what runs with the unique key $1 has older arguments than message $2 from now on; remembered for $3 seconds, and apart from
-- what ids were merged into, for who may insert may not delete: an id that was merged once may be published by itself later
insert into forebay.merged (id, holder, until)
select '>' || m.id, $2, coalesce($4::float8, extract(epoch from clock_timestamp())) + $3::float8
from forebay.message m where m.once = $1 and m.state = 2 on conflict (id) do nothing
