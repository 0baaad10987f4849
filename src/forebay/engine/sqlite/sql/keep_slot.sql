insert or replace into slot (seq, fence, worker, queue, mine, task, key) values (?1, ?2, ?3, ?4, ?5, ?6, ?7)
