-- create words
-- depends: 0003_create_modes

-- migrate: apply

-- The words of contacts whose senders agreed that triage learns from them: masked, and only for a time (the timer
-- `forget_words`). A contact without a row has no words here.
CREATE TABLE words (
    contact_id uuid PRIMARY KEY,
    journey_id uuid NOT NULL,
    subject    text,
    text       text NOT NULL
);
CREATE INDEX corrections_decided ON corrections (decided_at, contact_id);

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
