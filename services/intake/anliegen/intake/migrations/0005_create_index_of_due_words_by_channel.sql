-- the oldest words of one channel
-- depends: 0004_create_partner_events

-- migrate: apply

-- Each channel's lane looks for its own oldest, and passes over no others, however many of them wait.
CREATE INDEX outgoing_due_by_channel ON outgoing_messages (channel, due) WHERE state = 'pending';
DROP INDEX outgoing_due;

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
