-- room: what a queue holds at the most, as MessagePack (model.queue.Limit); null: all that comes
-- drain: how fast it was seen to drain, where that is bound, as MessagePack (flow.limit.Drain)
alter table queue add column room blob;
alter table queue add column drain blob;
create index queue_room on queue (name) where room is not null;
