-- refunds: what was asked for, by whom, who confirmed, what was taken back
-- depends: 0006_create_invoices

-- migrate: apply
CREATE TABLE refunds (
    refund_id       uuid PRIMARY KEY,
    journey_id      uuid NOT NULL,
    case_id         uuid NOT NULL REFERENCES inquiries,
    invoice_number  text NOT NULL REFERENCES dunnings,
    currency        text NOT NULL,
    amount          bigint NOT NULL CHECK (amount > 0),
    reason          text NOT NULL,
    state           text NOT NULL,
    asked_by        text NOT NULL,
    asked_at        timestamptz NOT NULL,
    pack            text NOT NULL,
    decided_by      text,
    decided_at      timestamptz,
    reversed_by     text,
    reversed_at     timestamptz,
    reversal_reason text,
    version         bigint NOT NULL,
    -- Never the same one twice.
    CHECK (decided_by IS DISTINCT FROM asked_by OR state = 'refused'),
    CHECK ((state = 'reversed') = (reversed_by IS NOT NULL))
);
CREATE INDEX refunds_invoice_number ON refunds (invoice_number);

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
