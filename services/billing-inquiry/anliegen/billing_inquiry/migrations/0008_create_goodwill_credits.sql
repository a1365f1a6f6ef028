-- goodwill as a credit for the next period, and to whose account it is credited; when a contact came
-- depends: 0007_create_refunds

-- migrate: apply

-- Issue and end are told under the goodwill's journey, the account may be another journey's of the same person. So
-- whoever tells either, or looks for the account, meets the others in this row.
CREATE TABLE goodwill_credits (
    goodwill_id    uuid PRIMARY KEY,
    journey_id     uuid NOT NULL,
    -- The journey of the customer number; none as long as nobody behind the goodwill's journey has an invoice.
    account        uuid,
    invoice_number text,
    currency       text,
    amount         bigint,
    effective_on   date,
    valid_until    timestamptz,
    -- When it was withdrawn or expired, which may become known first.
    ended_on       date,
    CHECK (num_nulls(currency, amount, effective_on, valid_until) IN (0, 4))
);
CREATE INDEX goodwill_credits_account ON goodwill_credits (account);
CREATE INDEX goodwill_credits_without_account ON goodwill_credits (journey_id) WHERE account IS NULL;

INSERT INTO goodwill_credits (goodwill_id, journey_id, account, invoice_number, currency, amount, effective_on,
    valid_until)
SELECT name::uuid, journey_id, journey_id, said ->> 'invoice_number', said -> 'amount' ->> 'currency',
    (said -> 'amount' ->> 'amount')::bigint, (said ->> 'effective_on')::date, occurred_at + interval '120 days'
FROM billing_facts WHERE kind = 'goodwill_issued';
INSERT INTO goodwill_credits (goodwill_id, journey_id, ended_on)
SELECT name::uuid, journey_id, (said ->> 'withdrawn_on')::date FROM billing_facts WHERE kind = 'goodwill_withdrawn'
ON CONFLICT (goodwill_id) DO UPDATE SET ended_on = excluded.ended_on;
DELETE FROM billing_facts WHERE kind IN ('goodwill_issued', 'goodwill_withdrawn');

CREATE INDEX corrections_proposal_id ON corrections (proposal_id) WHERE proposal_id IS NOT NULL;

-- Of contacts that are known already nobody knows when they came; any that comes from now on is newer.
ALTER TABLE contacts ADD COLUMN understood_at timestamptz NOT NULL DEFAULT '-infinity';
CREATE INDEX contacts_journey_id ON contacts (journey_id, understood_at DESC);

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
