-- A publication for all tables (a logical replica, an upgrade by a copy that follows, a change-data tool) has the server
-- refuse to delete from a table in which it cannot tell rows apart. These have no key: a row is told by all of its columns.
alter table forebay.delta replica identity full;
alter table forebay.stir replica identity full;
alter table forebay.refund replica identity full;
alter table forebay.ran replica identity full;
alter table forebay.version replica identity full;
