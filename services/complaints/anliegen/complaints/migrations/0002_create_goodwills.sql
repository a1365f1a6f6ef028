-- goodwills with their decisions, what was redeemed of them, and what was seen of customers afterwards
-- depends: 0001_create_contacts

-- migrate: apply

-- What counts against budget and limits is never kept but reckoned from these rows: `amount` while a goodwill is given,
-- `taken` once it ended. `explanation` is the list of steps that led to the decision.
CREATE TABLE goodwills (
    goodwill_id       uuid PRIMARY KEY,
    proposal_id       uuid NOT NULL UNIQUE,
    journey_id        uuid NOT NULL,
    case_id           uuid NOT NULL,
    contact_id        uuid,
    invoice_number    text,
    proposed_kind     text NOT NULL,
    kind              text NOT NULL,
    currency          text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    product_value     bigint NOT NULL CHECK (product_value >= 0),
    severity          smallint NOT NULL CHECK (severity BETWEEN 1 AND 4),
    failures          int NOT NULL CHECK (failures >= 0),
    reason            text NOT NULL,
    segment           text,
    asked             bigint CHECK (asked > 0),
    issues_at_once    boolean NOT NULL,
    proposed_by       text NOT NULL,
    roles             text[] NOT NULL,
    tier              smallint NOT NULL,
    proposed_at       timestamptz NOT NULL,
    outcome           text NOT NULL,
    decided_amount    bigint NOT NULL CHECK (decided_amount >= 0),
    waits_for         text,
    declined_by_rule  text,
    other_ways        text[] NOT NULL,
    alternatives      text[] NOT NULL,
    explanation       jsonb NOT NULL,
    pack              text NOT NULL,
    state             text NOT NULL,
    amount            bigint NOT NULL CHECK (amount >= 0),
    taken             bigint NOT NULL DEFAULT 0 CHECK (taken BETWEEN 0 AND amount),
    decided_by        text,
    decided_at        timestamptz,
    decline_reason    text,
    offered_until     timestamptz,
    issued_at         timestamptz,
    valid_until       timestamptz,
    code              text UNIQUE,
    ended_at          timestamptz,
    withdrawal_reason text,
    kept              text,
    bought_again      text,
    measured_at       timestamptz,
    version           bigint NOT NULL,
    CHECK (state NOT IN ('approved', 'issued', 'redeemed') OR (decided_at IS NOT NULL AND decided_by IS NOT NULL)),
    CHECK ((state = 'redeemed') <= (taken = amount)),
    CHECK (state <> 'issued' OR issued_at IS NOT NULL)
) WITH (fillfactor = 85);
CREATE INDEX goodwills_journey_id ON goodwills (journey_id, decided_at);
CREATE INDEX goodwills_case_id ON goodwills (case_id);
CREATE INDEX goodwills_month ON goodwills (currency, decided_at);
CREATE INDEX goodwills_proposed_at ON goodwills (proposed_at, goodwill_id);

-- An order redeems a goodwill once, however often its shop says so.
CREATE TABLE goodwill_redemptions (
    goodwill_id     uuid NOT NULL REFERENCES goodwills,
    order_reference text NOT NULL,
    amount          bigint NOT NULL CHECK (amount > 0),
    redeemed_by     text NOT NULL,
    redeemed_at     timestamptz NOT NULL,
    PRIMARY KEY (goodwill_id, order_reference)
);

-- What tells whether a customer stayed: purchases and cancellations, by the journey they were seen in.
CREATE TABLE goodwill_signs (
    journey_id uuid NOT NULL,
    sign       text NOT NULL,
    seen_at    timestamptz NOT NULL,
    PRIMARY KEY (journey_id, sign, seen_at)
);

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
