select queue, lane, reason, since, holder, until from gate where until is null or until > ?1
order by queue, lane <> '*', lane, holder
