-- the leases of one worker that still hold, done and gone; ?1 are pairs of row and fence (rows.leases)
delete from message where seq in (
    select message.seq from carray(?1) as lease cross join message on message.seq = lease.value >> 20
    where message.fence = lease.value & 1048575 and message.worker = ?2 and message.state = 2
)
