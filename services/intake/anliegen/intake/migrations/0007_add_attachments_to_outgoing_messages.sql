-- files that go with words, and the mail address that a customer's latest record names
-- depends: 0006_add_traceparent_to_outgoing_messages

-- migrate: apply
ALTER TABLE outgoing_messages ADD COLUMN attachments jsonb NOT NULL DEFAULT '[]';
ALTER TABLE customer_records ADD COLUMN email text;

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
