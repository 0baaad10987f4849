-- back to waiting: state, due, refund, lane, failure, cause
update message
set state = ?2, due = coalesce(?3, due), attempt = attempt - ?4, lane = coalesce(?5, lane),
    failure = coalesce(?6, failure), cause = ?7, worker = null, leased = null
where seq = ?1
