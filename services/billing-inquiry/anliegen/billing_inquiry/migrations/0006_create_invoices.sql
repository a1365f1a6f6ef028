-- invoices and what else the billing system told, the ledger, corrections
-- depends: 0005_create_payment_methods

-- migrate: apply

-- An issued invoice never changes; `version` rises with what is booked on it.
CREATE TABLE invoices (
    invoice_number  text PRIMARY KEY,
    journey_id      uuid NOT NULL,
    customer_number text NOT NULL,
    currency        text NOT NULL,
    issued_on       date NOT NULL,
    due_on          date NOT NULL,
    period_from     date,
    period_until    date,
    total           bigint NOT NULL,
    replaces        text,
    recipient       text[] NOT NULL,
    business        boolean NOT NULL,
    told_of_default boolean NOT NULL,
    -- The PDF of one that we issued.
    document        jsonb,
    version         bigint NOT NULL DEFAULT 1
) WITH (fillfactor = 85);
CREATE INDEX invoices_journey_id ON invoices (journey_id, issued_on DESC, invoice_number DESC);
CREATE INDEX invoices_customer_number ON invoices (customer_number, issued_on DESC, invoice_number DESC);

CREATE TABLE invoice_lines (
    invoice_number text NOT NULL REFERENCES invoices,
    position       int NOT NULL,
    line_id        text NOT NULL,
    text           text NOT NULL,
    quantity       text NOT NULL,
    net            bigint NOT NULL,
    tax_rate       int NOT NULL,
    tax            bigint NOT NULL,
    gross          bigint NOT NULL,
    PRIMARY KEY (invoice_number, position),
    UNIQUE (invoice_number, line_id),
    CHECK (gross = net + tax)
);

-- What else was told, as it was told: cancellations, payments, returns, credits, reminders, payment methods, goodwill.
CREATE TABLE billing_facts (
    kind        text NOT NULL,
    name        text NOT NULL,
    journey_id  uuid NOT NULL,
    said        jsonb NOT NULL,
    occurred_at timestamptz NOT NULL,
    PRIMARY KEY (kind, name)
);
CREATE INDEX billing_facts_journey_id ON billing_facts (journey_id, kind);

-- What was told under a name that had another content before: kept beside it, for a person to look at.
CREATE TABLE billing_contradictions (
    contradiction_id uuid PRIMARY KEY,
    kind             text NOT NULL,
    name             text NOT NULL,
    journey_id       uuid NOT NULL,
    said             jsonb NOT NULL,
    found_at         timestamptz NOT NULL
);
CREATE INDEX billing_contradictions_found_at ON billing_contradictions (found_at DESC, contradiction_id DESC);

-- The ledger: more than nothing is owed by the customer. Rows are added, never changed, never deleted.
CREATE TABLE entries (
    entry_id       uuid PRIMARY KEY,
    ord            bigint GENERATED ALWAYS AS IDENTITY,
    journey_id     uuid NOT NULL,
    currency       text NOT NULL,
    kind           text NOT NULL,
    amount         bigint NOT NULL,
    invoice_number text,
    reverses       uuid UNIQUE REFERENCES entries,
    cause          text NOT NULL,
    effective_on   date NOT NULL,
    booked_at      timestamptz NOT NULL
);
CREATE INDEX entries_journey_id ON entries (journey_id, ord);
CREATE INDEX entries_invoice_number ON entries (invoice_number, effective_on) WHERE invoice_number IS NOT NULL;

CREATE FUNCTION refuse_change_of_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'An entry is never changed: it is reversed by another one.';
END $$;
CREATE TRIGGER entries_stay BEFORE UPDATE ON entries FOR EACH ROW EXECUTE FUNCTION refuse_change_of_entry();

CREATE TABLE corrections (
    correction_id   uuid PRIMARY KEY,
    journey_id      uuid NOT NULL,
    old_number      text NOT NULL REFERENCES invoices,
    new_number      text NOT NULL UNIQUE REFERENCES invoices,
    case_id         uuid,
    reason          text NOT NULL,
    corrected_lines text[] NOT NULL,
    proposal_id     uuid,
    proposed        bigint,
    corrected_by    text NOT NULL,
    corrected_at    timestamptz NOT NULL,
    reversed_by     text,
    reversed_at     timestamptz,
    reversal_reason text,
    version         bigint NOT NULL DEFAULT 1,
    CHECK (num_nulls(reversed_by, reversed_at, reversal_reason) IN (0, 3))
);
CREATE INDEX corrections_journey_id ON corrections (journey_id);
-- One correction of an invoice is in force at a time.
CREATE UNIQUE INDEX corrections_in_force ON corrections (old_number) WHERE reversed_at IS NULL;
CREATE INDEX corrections_old_number ON corrections (old_number);

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
