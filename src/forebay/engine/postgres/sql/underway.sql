-- waits until nobody is at ending these any more: an attempt of ours whose connection broke may still be carried out
select from forebay.message m where m.seq = any($1::bigint[]) order by m.seq for key share
