-- whose claim it is
-- depends: 0002_create_outgoing_messages

-- migrate: apply

-- The slot of the worker that took it: one that is started again takes up at once what it had taken before.
ALTER TABLE outgoing_messages ADD COLUMN claimed_by text;

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
