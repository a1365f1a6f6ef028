-- complaints with their history, investigations, measures of prevention, pauses and legal clocks
-- depends: 0003_create_goodwill_failures

-- migrate: apply

ALTER TABLE contacts
    DROP COLUMN starred_at,
    DROP COLUMN version,
    ADD COLUMN acknowledged_at timestamptz;

CREATE TABLE complaints (
    case_id         uuid PRIMARY KEY,
    journey_id      uuid NOT NULL,
    concern_id      uuid NOT NULL UNIQUE,
    contact_id      uuid NOT NULL REFERENCES contacts,
    intent          text NOT NULL,
    priority        text NOT NULL,
    tier            smallint NOT NULL CHECK (tier BETWEEN 1 AND 3),
    language        text NOT NULL,
    -- Under whose rules it falls: ISO 3166-1, and a product line of rules/markets.toml.
    country         text NOT NULL,
    line            text NOT NULL,
    remedy_sought   text,
    invoice_number  text,
    state           text NOT NULL,
    opened_at       timestamptz NOT NULL,
    round_at        timestamptz NOT NULL,
    promise_id      uuid NOT NULL,
    due_at          timestamptz NOT NULL,
    promise_state   text NOT NULL,
    pack            text NOT NULL,
    reopened        int NOT NULL,
    assignee        text,
    acknowledged_at timestamptz,
    held_at         timestamptz,
    severity        smallint CHECK (severity BETWEEN 1 AND 4),
    complexity      smallint CHECK (complexity BETWEEN 1 AND 3),
    impact          smallint CHECK (impact BETWEEN 1 AND 4),
    immediate_action boolean,
    outcome         text,
    reasons         text[] NOT NULL DEFAULT '{}',
    other_ways      text[] NOT NULL DEFAULT '{}',
    remedy          text,
    -- Minor units of the currency.
    amount          bigint,
    currency        text,
    response        text,
    response_id     uuid,
    answered_at     timestamptz,
    resolution      text,
    settled_at      timestamptz,
    continues       uuid REFERENCES complaints,
    version         bigint NOT NULL,
    CHECK ((state IN ('followed_up', 'closed', 'withdrawn', 'transferred')) = (settled_at IS NOT NULL)),
    CHECK ((resolution IS NULL) = (settled_at IS NULL)),
    CHECK (outcome IS DISTINCT FROM 'rejected' OR other_ways <> '{}'),
    CHECK ((amount IS NULL) = (currency IS NULL)),
    CHECK (state <> 'communicated' OR (answered_at IS NOT NULL AND outcome IS NOT NULL))
) WITH (fillfactor = 85);
CREATE INDEX complaints_journey_id ON complaints (journey_id);
CREATE INDEX complaints_contact_id ON complaints (contact_id);
CREATE INDEX complaints_due_at ON complaints (due_at, case_id);
CREATE INDEX complaints_opened_at ON complaints (opened_at, case_id);
CREATE INDEX complaints_unsettled ON complaints (state, promise_state) WHERE settled_at IS NULL;

CREATE TABLE complaint_contacts (
    case_id    uuid NOT NULL REFERENCES complaints,
    contact_id uuid NOT NULL REFERENCES contacts,
    came_at    timestamptz NOT NULL,
    PRIMARY KEY (case_id, contact_id)
);

-- What was done, by whom and why; rows are added and never changed.
CREATE TABLE steps (
    case_id uuid NOT NULL REFERENCES complaints,
    version bigint NOT NULL,
    step    text NOT NULL,
    state   text NOT NULL,
    done_by text,
    done_at timestamptz NOT NULL,
    reason  text,
    PRIMARY KEY (case_id, version)
);

CREATE TABLE investigations (
    investigation_id uuid PRIMARY KEY,
    case_id          uuid NOT NULL REFERENCES complaints,
    kind             text NOT NULL,
    owner            text NOT NULL,
    due_at           timestamptz NOT NULL,
    done_at          timestamptz
);
CREATE INDEX investigations_case_id ON investigations (case_id);

CREATE TABLE preventions (
    prevention_id uuid PRIMARY KEY,
    case_id       uuid NOT NULL REFERENCES complaints,
    cause         text NOT NULL,
    measure       text NOT NULL,
    owner         text NOT NULL,
    due_at        timestamptz NOT NULL,
    done_at       timestamptz
);
CREATE INDEX preventions_case_id ON preventions (case_id);

-- While the customer was waited for; at most one of a complaint has no end.
CREATE TABLE pauses (
    case_id  uuid NOT NULL REFERENCES complaints,
    began_at timestamptz NOT NULL,
    ended_at timestamptz CHECK (ended_at >= began_at),
    PRIMARY KEY (case_id, began_at)
);
CREATE UNIQUE INDEX pauses_open ON pauses (case_id) WHERE ended_at IS NULL;

-- Final responses as they went out; the letter is in the object store.
CREATE TABLE responses (
    response_id uuid PRIMARY KEY,
    case_id     uuid NOT NULL REFERENCES complaints,
    reply_id    uuid NOT NULL UNIQUE,
    contact_id  uuid NOT NULL REFERENCES contacts,
    response    text NOT NULL,
    language    text NOT NULL,
    answered_by text NOT NULL,
    answered_at timestamptz NOT NULL,
    letter      text
);
CREATE INDEX responses_case_id ON responses (case_id, answered_at);

-- Legal clocks as they were last announced. How one stands follows from the complaint; this is what was said of it.
CREATE TABLE clocks (
    clock_id    uuid PRIMARY KEY,
    case_id     uuid NOT NULL REFERENCES complaints,
    pack        text NOT NULL,
    rule        text NOT NULL,
    country     text NOT NULL,
    started_at  timestamptz NOT NULL,
    stage       text NOT NULL,
    due_at      timestamptz,
    warned      boolean NOT NULL,
    breached_at timestamptz,
    ended_at    timestamptz,
    stopped_at  timestamptz
);
CREATE INDEX clocks_case_id ON clocks (case_id, started_at);

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
