select n_dead_tup, n_live_tup, to_char(greatest(last_autovacuum, last_vacuum), 'YYYY-MM-DD HH24:MI:SS')
from pg_stat_user_tables where relid = to_regclass('forebay.message')
