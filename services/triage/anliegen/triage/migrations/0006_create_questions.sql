-- create questions
-- depends: 0005_add_market

-- migrate: apply

-- What a customer was asked about a contact, twice at most over all contacts of a thread. Asked and answered under the
-- lock of the contact's person.
CREATE TABLE questions (
    contact_id  uuid NOT NULL REFERENCES contacts,
    ordinal     int NOT NULL,
    options     text[] NOT NULL,
    asked_by    text NOT NULL,
    asked_at    timestamptz NOT NULL,
    state       text NOT NULL DEFAULT 'asked' CHECK (state IN ('asked', 'answered', 'unclear')),
    answered_by uuid,
    PRIMARY KEY (contact_id, ordinal)
);

-- Which contacts answer one.
CREATE INDEX contacts_earlier ON contacts (earlier_contact_id) WHERE earlier_contact_id IS NOT NULL;

-- An answer judges a reading, too.
ALTER TABLE judgements DROP CONSTRAINT judgements_source_check;
ALTER TABLE judgements ADD CONSTRAINT judgements_source_check CHECK (source IN ('review', 'handover', 'answer'));

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
