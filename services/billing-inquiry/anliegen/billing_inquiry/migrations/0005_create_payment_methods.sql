-- payment methods: what was asked for, by whom, who confirmed, what is in force
-- depends: 0004_create_payment_agreements

-- migrate: apply
CREATE TABLE payment_methods (
    method_id         uuid PRIMARY KEY,
    journey_id        uuid NOT NULL,
    case_id           uuid NOT NULL REFERENCES inquiries,
    kind              text NOT NULL,
    -- What may be shown: `DE89 … 3000`.
    account           text NOT NULL,
    iban              text,
    bic               text,
    holder            text,
    signed_on         date,
    token             text,
    mandate_reference text,
    state             text NOT NULL,
    asked_by          text NOT NULL,
    asked_at          timestamptz NOT NULL,
    pack              text NOT NULL,
    decided_by        text,
    decided_at        timestamptz,
    replaces          uuid REFERENCES payment_methods,
    reversed_by       text,
    reversed_at       timestamptz,
    reason            text,
    version           bigint NOT NULL,
    CHECK ((kind = 'sepa_mandate') = (iban IS NOT NULL AND mandate_reference IS NOT NULL)),
    CHECK ((kind = 'card') = (token IS NOT NULL)),
    -- What waited is never decided in its favour by who asked for it.
    CHECK (decided_by IS DISTINCT FROM asked_by OR state = 'refused'),
    CHECK ((state = 'reversed') = (reversed_by IS NOT NULL))
);
CREATE INDEX payment_methods_journey_id ON payment_methods (journey_id);
CREATE UNIQUE INDEX payment_methods_in_force ON payment_methods (journey_id) WHERE state = 'in_force';

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
