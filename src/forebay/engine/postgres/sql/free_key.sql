-- a message that waits holds its unique key no longer
update forebay.message m set once = null where m.id = any (array[$1]) and m.state <> 2
