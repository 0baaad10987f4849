--#use base
-- now: -> the time.
return text(now)
