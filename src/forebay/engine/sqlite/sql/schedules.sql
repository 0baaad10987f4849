-- texts as bytes, so that one that is no text hides no other row
select cast(name as blob), cast(cron as blob), cast(tz as blob), form, cast(missed as blob), cast(overlap as blob), next,
       last, paused, declared
from schedule order by name
