-- does this worker's lease still hold? and does any queue bound something (limits.py)?
select 1, exists (select 1 from queue indexed by queue_limited where limits is not null)
from worker where id = ?1 and until > ?2 and boot = ?3
