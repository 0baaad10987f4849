-- back to waiting: state, due, refund, lane, failure
update message
set state = ?2, due = ?3, attempt = attempt - ?4, lane = coalesce(?5, lane), failure = coalesce(?6, failure),
    worker = null, leased = null
where seq = ?1
