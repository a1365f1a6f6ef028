-- create contacts
-- depends:

-- migrate: apply

-- What was read from a contact, and what was decided. No words: codes, and offsets into the contact's text.
CREATE TABLE contacts (
    contact_id         uuid PRIMARY KEY,
    journey_id         uuid NOT NULL,
    channel            text NOT NULL,
    language           text NOT NULL,
    received_at        timestamptz NOT NULL,
    status             text NOT NULL CHECK (status IN ('automatic', 'waiting', 'in_review', 'decided')),
    earlier_contact_id uuid,
    found_by           text,
    reading            jsonb NOT NULL,
    pack               text NOT NULL,
    decided_by         text,
    decided_at         timestamptz,
    version            int NOT NULL DEFAULT 1
);
CREATE INDEX contacts_journey ON contacts (journey_id, received_at);
CREATE INDEX contacts_waiting ON contacts (earlier_contact_id) WHERE status = 'waiting';

-- `case_id` is the case that works on the concern, `continues` whether that case was there before. `base_tier` is what
-- the matter asks for, `tier` what it is with the failures that the person met before.
CREATE TABLE concerns (
    concern_id uuid PRIMARY KEY,
    contact_id uuid NOT NULL REFERENCES contacts,
    ordinal    int NOT NULL,
    task       text NOT NULL,
    intent     text NOT NULL,
    case_id    uuid NOT NULL,
    continues  boolean NOT NULL,
    base_tier  int NOT NULL CHECK (base_tier BETWEEN 1 AND 3),
    tier       int NOT NULL CHECK (tier BETWEEN 1 AND 3),
    details    jsonb NOT NULL,
    UNIQUE (contact_id, ordinal)
);
CREATE INDEX concerns_case ON concerns (case_id);

CREATE TABLE reviews (
    review_id    uuid PRIMARY KEY,
    contact_id   uuid NOT NULL REFERENCES contacts UNIQUE,
    journey_id   uuid NOT NULL,
    language     text NOT NULL,
    channel      text NOT NULL,
    priority     text NOT NULL,
    confidence   double precision NOT NULL,
    suggestions  jsonb NOT NULL,
    other        text,
    status       text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'decided')),
    requested_at timestamptz NOT NULL,
    decided_at   timestamptz,
    decided_by   text,
    version      int NOT NULL DEFAULT 1
);
CREATE INDEX reviews_open ON reviews (requested_at, review_id) WHERE status = 'open';
CREATE INDEX reviews_all ON reviews (requested_at, review_id);

-- What people decided, for training: labels and offsets, neither words nor who decided.
CREATE TABLE corrections (
    contact_id uuid PRIMARY KEY REFERENCES contacts,
    language   text NOT NULL,
    channel    text NOT NULL,
    pack       text NOT NULL,
    suggested  jsonb NOT NULL,
    decided    jsonb NOT NULL,
    decided_at timestamptz NOT NULL
);

-- Every failure on our side, by the journey it happened in; the guard counts over the journeys of one person.
CREATE TABLE failures (
    failure_id  uuid PRIMARY KEY,
    journey_id  uuid NOT NULL,
    case_id     uuid NOT NULL,
    task        text NOT NULL,
    kind        text NOT NULL,
    code        text NOT NULL,
    occurred_at timestamptz NOT NULL
);
CREATE INDEX failures_journey ON failures (journey_id, occurred_at);

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
