--#use base message place ends gates merge accept
-- publish: {forms and messages} -> the last number given; what came of each, unless all were accepted.
local last, answers, came = accept_all(3)
return {last, came == #answers and 0 or answers}
