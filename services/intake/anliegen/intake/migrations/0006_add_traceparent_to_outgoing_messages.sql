-- the span that asked for the words
-- depends: 0005_create_index_of_due_words_by_channel

-- migrate: apply
ALTER TABLE outgoing_messages ADD COLUMN traceparent text;

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
