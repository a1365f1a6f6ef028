-- dunning of invoices: where it stands, the steps that were taken, what holds it, the cases that hold
-- depends: 0002_index_unsettled_inquiries

-- migrate: apply

-- One row an invoice number. A hold may come before its invoice: then the row is empty, and where both meet.
CREATE TABLE dunnings (
    invoice_number text PRIMARY KEY,
    journey_id     uuid,
    stage          text,
    round          int,
    due_on         date,
    began_at       timestamptz,
    level          smallint NOT NULL DEFAULT 0,
    held           boolean NOT NULL DEFAULT false,
    free_since     timestamptz,
    next_step_at   timestamptz,
    pack           text,
    version        bigint NOT NULL DEFAULT 0,
    CHECK (num_nulls(journey_id, stage, round, due_on, began_at) IN (0, 5)),
    -- What is held, handed over or cleared takes no step.
    CHECK (next_step_at IS NULL OR (NOT held AND stage IN ('watched', 'dunned')))
) WITH (fillfactor = 85);
CREATE INDEX dunnings_journey_id ON dunnings (journey_id);

CREATE TABLE dunning_steps (
    invoice_number text NOT NULL REFERENCES dunnings,
    round          int NOT NULL,
    level          smallint NOT NULL,
    name           text NOT NULL,
    reached_at     timestamptz NOT NULL,
    open_amount    bigint NOT NULL CHECK (open_amount > 0),
    fee            bigint NOT NULL CHECK (fee >= 0),
    interest       bigint NOT NULL CHECK (interest >= 0),
    lump_sum       bigint NOT NULL CHECK (lump_sum >= 0),
    default_since  date,
    pay_by         date,
    pack           text NOT NULL,
    PRIMARY KEY (invoice_number, round, level),
    -- Who is not in default owes neither fee nor interest (§§ 280, 288 BGB).
    CHECK (default_since IS NOT NULL OR fee + interest + lump_sum = 0)
);

CREATE TABLE dunning_holds (
    hold_id        uuid PRIMARY KEY,
    invoice_number text NOT NULL REFERENCES dunnings,
    reason         text NOT NULL,
    case_id        uuid,
    placed_at      timestamptz NOT NULL,
    placed_by      text NOT NULL,
    ends_at        timestamptz,
    released_at    timestamptz,
    released_by    text,
    CHECK ((released_at IS NULL) = (released_by IS NULL)),
    -- Nobody can hold for ever by hand: only a case does so, and ends it.
    CHECK (case_id IS NOT NULL OR ends_at IS NOT NULL)
);
CREATE INDEX dunning_holds_invoice_number ON dunning_holds (invoice_number);
CREATE UNIQUE INDEX dunning_holds_of_case ON dunning_holds (case_id, invoice_number) WHERE released_at IS NULL;

-- What is known of the cases that hold: the later of what was said counts, however late the earlier came.
CREATE TABLE dunning_cases (
    case_id          uuid PRIMARY KEY,
    reason           text NOT NULL,
    unsettled        boolean NOT NULL,
    sequence         bigint NOT NULL,
    invoice_number   text,
    invoice_sequence bigint NOT NULL
);

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
