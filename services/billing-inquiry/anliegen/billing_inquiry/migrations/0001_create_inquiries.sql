-- contacts, inquiries, the contacts and answers of each inquiry
-- depends:

-- migrate: apply

-- Every contact that was understood: whose it is and in which language. What it says is kept by intake and journey.
CREATE TABLE contacts (
    contact_id uuid PRIMARY KEY,
    journey_id uuid NOT NULL,
    language   text NOT NULL
);

CREATE TABLE inquiries (
    case_id        uuid PRIMARY KEY,
    journey_id     uuid NOT NULL,
    concern_id     uuid NOT NULL UNIQUE,
    contact_id     uuid NOT NULL REFERENCES contacts,
    intent         text NOT NULL,
    priority       text NOT NULL,
    tier           smallint NOT NULL CHECK (tier BETWEEN 1 AND 3),
    language       text NOT NULL,
    -- As it was named by a person; whether there is such an invoice is another matter.
    invoice_number text,
    state          text NOT NULL,
    opened_at      timestamptz NOT NULL,
    promise_id     uuid NOT NULL,
    due_at         timestamptz NOT NULL,
    promise_state  text NOT NULL,
    pack           text NOT NULL,
    reopened       int NOT NULL,
    assignee       text,
    answer_id      uuid,
    answered_at    timestamptz,
    resolution     text,
    settled_at     timestamptz,
    continues      uuid REFERENCES inquiries,
    version        bigint NOT NULL,
    CHECK ((state = 'answered') <= (answered_at IS NOT NULL)),
    CHECK ((state IN ('resolved', 'closed', 'withdrawn')) = (settled_at IS NOT NULL)),
    CHECK ((resolution IS NULL) = (settled_at IS NULL))
) WITH (fillfactor = 85);
CREATE INDEX inquiries_journey_id ON inquiries (journey_id);
CREATE INDEX inquiries_invoice_number ON inquiries (invoice_number) WHERE invoice_number IS NOT NULL;
CREATE INDEX inquiries_due_at ON inquiries (due_at, case_id);
CREATE INDEX inquiries_opened_at ON inquiries (opened_at, case_id);
-- The people's work list: what waits for them, what is due first.
CREATE INDEX inquiries_waiting ON inquiries (due_at, case_id) WHERE state IN ('open', 'in_progress', 'reopened');

CREATE TABLE inquiry_contacts (
    case_id    uuid NOT NULL REFERENCES inquiries,
    contact_id uuid NOT NULL REFERENCES contacts,
    came_at    timestamptz NOT NULL,
    PRIMARY KEY (case_id, contact_id)
);

CREATE TABLE answers (
    answer_id   uuid PRIMARY KEY,
    case_id     uuid NOT NULL REFERENCES inquiries,
    reply_id    uuid NOT NULL UNIQUE,
    contact_id  uuid NOT NULL REFERENCES contacts,
    answered_by text NOT NULL,
    answered_at timestamptz NOT NULL
);
CREATE INDEX answers_case_id ON answers (case_id, answered_at);

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
