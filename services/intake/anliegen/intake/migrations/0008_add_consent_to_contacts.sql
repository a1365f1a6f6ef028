-- add consent to contacts
-- depends: 0007_add_attachments_to_outgoing_messages

-- migrate: apply

-- Whether the person agreed that the words are kept for triage to learn from.
ALTER TABLE contacts ADD COLUMN may_learn boolean NOT NULL DEFAULT false;

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
