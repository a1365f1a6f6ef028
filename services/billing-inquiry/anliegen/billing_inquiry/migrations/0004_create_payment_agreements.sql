-- instalment plans and promises to pay
-- depends: 0003_create_dunnings

-- migrate: apply
CREATE TABLE payment_agreements (
    agreement_id   uuid PRIMARY KEY,
    kind           text NOT NULL,
    invoice_number text NOT NULL REFERENCES dunnings,
    journey_id     uuid NOT NULL,
    -- The inquiry in which it was agreed: what is said about it goes to the customer's newest contact there.
    case_id        uuid NOT NULL REFERENCES inquiries,
    currency       text NOT NULL,
    open_at_start  bigint NOT NULL CHECK (open_at_start > 0),
    due_dates      date[] NOT NULL,
    amounts        bigint[] NOT NULL,
    agreed_at      timestamptz NOT NULL,
    agreed_by      text NOT NULL,
    pack           text NOT NULL,
    state          text NOT NULL,
    paid           bigint NOT NULL,
    reminded       int NOT NULL,
    ended_at       timestamptz,
    ended_by       text,
    version        bigint NOT NULL,
    CHECK (cardinality(due_dates) = cardinality(amounts) AND cardinality(amounts) > 0),
    CHECK ((state = 'active') = (ended_at IS NULL))
) WITH (fillfactor = 85);
-- One agreement on an invoice at a time.
CREATE UNIQUE INDEX payment_agreements_in_force ON payment_agreements (invoice_number) WHERE state = 'active';
CREATE INDEX payment_agreements_invoice_number ON payment_agreements (invoice_number);

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
