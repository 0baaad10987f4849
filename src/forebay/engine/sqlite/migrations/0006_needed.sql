-- slots that lanes of a fair queue which are not slow have needed at once (flow.fair.Common)
alter table fair add column needed real not null default 0;
