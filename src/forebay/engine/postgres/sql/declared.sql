select q.name, q.ttl, q.firm, q.lifo, q.most, q.most_bytes, q.most_age, q.on_full, q.patience, q.reserve, b.rate, b.burst, b.slots, b.key_rate,
    b.key_burst, b.key_slots, coalesce(b.ordered, false), coalesce(b.fair, false), b.weights::text
from forebay.queue q left join forebay.bound b on b.queue = q.name where q.name = any($1::text[])
