-- A look at a queue gives few heads, whatever the planner thinks of functions: as for a thousand rows it would read all
-- lanes of a fair queue for their turns, which takes tens of milliseconds with 100,000 keys.
alter function forebay.heads_in_turn(forebay.told, text[], bigint, double precision) rows 40;
alter function forebay.heads(forebay.told, text[], bigint, double precision) rows 40;
