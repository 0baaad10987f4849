-- what a message that was just published has been through elsewhere
update message set attempt = ?2, lost = ?3, failure = ?4 where id = ?1
