-- newer arguments for one that waits: body, headers, expiry, due (null for one that is parked), whether it was tried
update message
set holds = null, body = ?2, headers = ?3, expires = ?4, due = coalesce(?5, due), state = iif(?5 is null, state, 0),
    cause = iif(?5 is null, cause, null),
    created = iif(?6, ?7, created), attempt = iif(?6, 0, attempt), lost = iif(?6, 0, lost),
    failure = iif(?6, null, failure), progress = iif(?6, null, progress), unknown = iif(?6, null, unknown)
where seq = ?1
