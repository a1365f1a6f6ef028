-- create read models
-- depends: 0001_create_events

-- migrate: apply

-- Read models: each is computed from `events`, row by row, whatever order the topics come in. Facts of one topic fill
-- their own columns; what several topics tell about (a case, a promise) follows the highest sequence of its service.
CREATE TABLE contacts (
    contact_id      uuid PRIMARY KEY,
    journey_id      uuid NOT NULL,
    channel         text,
    received_at     timestamptz,
    sender_kind     text,
    sender          text,
    customer_number text,
    assurance       text,
    display_name    text,
    subject_line    text,
    text            text,
    language        text,
    automatic       boolean,
    decided_by      text,
    concerns        jsonb,
    review_asked_at timestamptz
);
CREATE INDEX contacts_journey ON contacts (journey_id, received_at);

CREATE TABLE cases (
    case_id    uuid PRIMARY KEY,
    journey_id uuid NOT NULL,
    task       text NOT NULL,
    service    text NOT NULL,
    opened_at  timestamptz NOT NULL,
    status     text NOT NULL,
    changed_at timestamptz NOT NULL,
    last_type  text NOT NULL,
    sequence   bigint NOT NULL
);
CREATE INDEX cases_journey ON cases (journey_id);

CREATE TABLE promises (
    promise_id  uuid PRIMARY KEY,
    journey_id  uuid NOT NULL,
    case_id     uuid NOT NULL,
    task        text NOT NULL,
    promised_at timestamptz NOT NULL,
    kind        text NOT NULL,
    due_at      timestamptz NOT NULL,
    state       text NOT NULL,
    changed_at  timestamptz NOT NULL,
    sequence    bigint NOT NULL
);
CREATE INDEX promises_journey ON promises (journey_id);

CREATE TABLE failures (
    failure_id  uuid PRIMARY KEY,
    journey_id  uuid NOT NULL,
    case_id     uuid NOT NULL,
    task        text NOT NULL,
    kind        text NOT NULL,
    code        text NOT NULL,
    occurred_at timestamptz NOT NULL
);
CREATE INDEX failures_journey ON failures (journey_id);

CREATE TABLE answers (
    reply_id     uuid PRIMARY KEY,
    journey_id   uuid NOT NULL,
    contact_id   uuid NOT NULL,
    case_id      uuid,
    task         text,
    template     text NOT NULL,
    answer       text,
    requested_at timestamptz,
    sent_at      timestamptz,
    sent_on      text,
    language     text,
    failed_at    timestamptz,
    failure_code text
);
CREATE INDEX answers_journey ON answers (journey_id);

-- The addresses and numbers a person is known by. They stand here as they are: the journey may keep personal data, an
-- agent looks people up by them, and a hash of a phone number would be guessed in seconds.
CREATE TABLE handles (
    kind          text NOT NULL,
    value         text NOT NULL,
    journey_id    uuid NOT NULL,
    assurance     int NOT NULL,
    first_seen_at timestamptz NOT NULL,
    last_seen_at  timestamptz NOT NULL,
    PRIMARY KEY (kind, value, journey_id)
);
CREATE INDEX handles_journey ON handles (journey_id);
CREATE INDEX handles_value ON handles (value);

CREATE TABLE people (
    journey_id uuid PRIMARY KEY,
    name       text,
    language   text
);

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
