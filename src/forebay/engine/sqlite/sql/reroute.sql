-- on in the queue ?2: lane, home, attempts handed back, cause, headers
update message
set queue = ?2, state = 1, lane = ?3, home = ?4, attempt = attempt - ?5, cause = ?6, headers = ?7, holds = null,
    worker = null, leased = null, unknown = null
where seq = ?1
