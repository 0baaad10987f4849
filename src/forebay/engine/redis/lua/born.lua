--#use plain
-- born: -> the name of what this server holds in this namespace.
return call('HGET', KEYS[1], 'born')
