-- back to waiting: state, due, refund, losses, lane, failure, cause; ?9 known (null: nobody looked), ?10 now
update message
set state = ?2, due = coalesce(?3, due), attempt = attempt - ?4, lost = ?5, lane = coalesce(?6, lane),
    failure = coalesce(?7, failure), cause = ?8, worker = null, leased = null,
    unknown = case ?9 when 1 then null when 0 then coalesce(unknown, ?10) else unknown end
where seq = ?1
