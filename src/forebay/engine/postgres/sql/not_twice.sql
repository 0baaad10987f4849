-- of messages that have just come in, those away again whose end came to be known meanwhile; which
with twice as (
    delete from forebay.message m using forebay.ended e where m.id = any ($1::text[]) and e.id = m.id returning m.id
)
select id from twice
