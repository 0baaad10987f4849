-- back to waiting: state, due, refund, losses, lane, failure, cause; ?9 known (null: nobody looked), ?10 now
-- ?11 home; ?12 1: nothing of its lane starts before it any more
update message
set state = ?2, due = coalesce(?3, due), attempt = attempt - ?4, lost = ?5, lane = ?6, home = ?11, holds = ?12,
    failure = coalesce(?7, failure), cause = ?8, worker = null, leased = null,
    unknown = case ?9 when 1 then null when 0 then coalesce(unknown, ?10) else unknown end
where seq = ?1
