-- rows of policies (store.contract.Steering): how providers stand, as MessagePack
create table steering (name text primary key, generation integer not null, body blob not null) strict, without rowid;
