-- slots of workers that are gone
delete from slot where not exists (select 1 from worker where worker.id = slot.worker and worker.state <> 'buried')
returning queue, mine, task, key
