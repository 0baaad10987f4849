-- nor do those of workers that are gone
delete from forebay.lasting l where not exists (
    select from forebay.worker w where w.id = l.worker and w.state <> 'buried'
) returning l.queue
