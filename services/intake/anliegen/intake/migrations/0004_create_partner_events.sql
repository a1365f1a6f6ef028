-- what partner systems told us
-- depends: 0003_add_claimer_to_outgoing_messages

-- migrate: apply

-- One row per event, by the partner's own source and id: it decides that an event is taken once, by whichever door.
-- Its data stay until the event is announced, and are gone afterwards; the digest tells a repetition from another event.
CREATE TABLE partner_events (
    source      text NOT NULL,
    event_id    text NOT NULL,
    ord         bigint GENERATED ALWAYS AS IDENTITY,
    partner     text NOT NULL,
    type        text NOT NULL,
    order_key   text NOT NULL,
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    digest      bytea NOT NULL,
    data        jsonb,
    state       text NOT NULL DEFAULT 'received' CHECK (state IN ('received', 'announced')),
    attempts    int NOT NULL DEFAULT 0,
    due         timestamptz NOT NULL,
    code        text,
    PRIMARY KEY (source, event_id)
);
CREATE INDEX partner_events_waiting ON partner_events (ord) WHERE state = 'received';
CREATE INDEX partner_events_order ON partner_events (order_key, ord) WHERE state = 'received';
CREATE INDEX partner_events_age ON partner_events (received_at) WHERE state = 'announced';

-- Every address that ever stood in a partner's record of a customer. Of two customers it is neither's alone.
CREATE TABLE customer_addresses (
    kind            text NOT NULL,
    value           text NOT NULL,
    customer_number text NOT NULL,
    PRIMARY KEY (kind, value, customer_number)
);

-- Which record of a customer is the latest: an older one that comes later changes no name.
CREATE TABLE customer_records (
    customer_number text PRIMARY KEY,
    occurred_at     timestamptz NOT NULL,
    source          text NOT NULL,
    event_id        text NOT NULL
);

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
