-- all that is known of these ids, wherever they are, in one look
select story.id, queue, task, state, attempt, lost, priority, lane, key, once, body, headers, created, due, expires,
    started, worker, finished, result, cause, failure, progress, state = '1' and forebay.shut(queue, lane, task, key, coalesce($2::float8, extract(epoch from clock_timestamp())::float8))
from forebay.story where story.id = any ($1::text[])
