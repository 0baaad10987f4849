-- rows of policies (store.contract.Steering): how providers stand, as MessagePack
create table forebay.steering (name text primary key, generation bigint not null, body bytea not null);
