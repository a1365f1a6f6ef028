-- contacts, questions, the contacts and answers of each question
-- depends:

-- migrate: apply

-- Every contact that was understood: whose it is and in which language. What it says is kept by intake and journey.
CREATE TABLE contacts (
    contact_id uuid PRIMARY KEY,
    journey_id uuid NOT NULL,
    language   text NOT NULL
);

CREATE TABLE questions (
    case_id       uuid PRIMARY KEY,
    journey_id    uuid NOT NULL,
    concern_id    uuid NOT NULL UNIQUE,
    contact_id    uuid NOT NULL REFERENCES contacts,
    intent        text NOT NULL,
    priority      text NOT NULL,
    tier          smallint NOT NULL CHECK (tier BETWEEN 1 AND 3),
    language      text NOT NULL,
    state         text NOT NULL,
    opened_at     timestamptz NOT NULL,
    promise_id    uuid NOT NULL,
    due_at        timestamptz NOT NULL,
    promise_state text NOT NULL,
    pack          text NOT NULL,
    reopened      int NOT NULL,
    assignee      text,
    answer_id     uuid,
    answered_at   timestamptz,
    resolution    text,
    settled_at    timestamptz,
    continues     uuid REFERENCES questions,
    version       bigint NOT NULL,
    CHECK ((state = 'answered') <= (answered_at IS NOT NULL)),
    CHECK ((state IN ('resolved', 'closed', 'withdrawn')) = (settled_at IS NOT NULL)),
    CHECK ((resolution IS NULL) = (settled_at IS NULL))
) WITH (fillfactor = 85);
CREATE INDEX questions_journey_id ON questions (journey_id);
CREATE INDEX questions_due_at ON questions (due_at, case_id);
CREATE INDEX questions_opened_at ON questions (opened_at, case_id);
-- The people's work list: what waits for them, what is due first.
CREATE INDEX questions_waiting ON questions (due_at, case_id) WHERE state IN ('open', 'in_progress', 'reopened');

CREATE TABLE question_contacts (
    case_id    uuid NOT NULL REFERENCES questions,
    contact_id uuid NOT NULL REFERENCES contacts,
    came_at    timestamptz NOT NULL,
    PRIMARY KEY (case_id, contact_id)
);

CREATE TABLE answers (
    answer_id   uuid PRIMARY KEY,
    case_id     uuid NOT NULL REFERENCES questions,
    reply_id    uuid NOT NULL UNIQUE,
    contact_id  uuid NOT NULL REFERENCES contacts,
    answered_by text NOT NULL,
    answered_at timestamptz NOT NULL
);
CREATE INDEX answers_case_id ON answers (case_id, answered_at);

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
