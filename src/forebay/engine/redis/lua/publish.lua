--#use base count sound message tell gates lanes meters place ends room merge accept
-- publish: {forms and messages} -> the last number given, if all were accepted; else that, and what came of each.
local last, answers, came = accept_all(3)
return came == #answers and last or {last, answers}
