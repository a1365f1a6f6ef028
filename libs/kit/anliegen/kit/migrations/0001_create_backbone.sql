-- streams, outbox, inbox, positions, parked keys, dead letters, timers, journey links
-- depends:

-- migrate: apply

-- One row per key: whoever works on the key locks it first.
CREATE TABLE streams (
    key           text PRIMARY KEY,
    last_sequence bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

CREATE TABLE outbox (
    seq        bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
    event_id   uuid NOT NULL,
    topic      text NOT NULL,
    key        text NOT NULL,
    type       text NOT NULL,
    sequence   bigint NOT NULL,
    headers    jsonb NOT NULL DEFAULT '{}',
    payload    bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);

-- A refusal by a rule is an outcome: it stands beside the event it answered.
CREATE TABLE inbox (
    grp         text NOT NULL,
    event_id    uuid NOT NULL,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    outcome     text,
    PRIMARY KEY (grp, event_id)
);
CREATE INDEX inbox_received_at ON inbox USING brin (received_at);

CREATE TABLE consumer_position (
    grp         text NOT NULL,
    topic       text NOT NULL,
    part        int NOT NULL,
    cluster_id  text NOT NULL,
    next_offset bigint NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (grp, topic, part)
) WITH (fillfactor = 50);

CREATE TABLE parked_keys (
    grp      text NOT NULL,
    key      text NOT NULL,
    attempts int NOT NULL DEFAULT 0,
    due      timestamptz NOT NULL,
    reason   text,
    since    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (grp, key)
);
CREATE INDEX parked_keys_due ON parked_keys (grp, due);

CREATE TABLE parked_events (
    ord       bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
    grp       text NOT NULL,
    key       text NOT NULL,
    event_id  uuid NOT NULL,
    topic     text,
    part      int,
    "offset"  bigint,
    headers   jsonb,
    payload   bytea,
    UNIQUE (grp, event_id)
);
CREATE INDEX parked_events_key ON parked_events (grp, key, ord);

-- Headers of what came from outside are [name, base64] pairs: nothing about a dead letter may be refused.
CREATE TABLE dead_letters (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    grp             text NOT NULL,
    key             bytea,
    event_id        uuid,
    type            text,
    topic           text,
    part            int,
    "offset"        bigint,
    headers         jsonb,
    payload         bytea,
    error_type      text,
    error           text,
    attempts        int,
    first_failed_at timestamptz,
    service_version text,
    died_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    settled_at      timestamptz,
    settled_how     text
);

CREATE TABLE timers (
    timer_id uuid PRIMARY KEY,
    kind     text NOT NULL,
    key      text NOT NULL,
    subject  uuid NOT NULL,
    due_at   timestamptz NOT NULL,
    payload  jsonb NOT NULL DEFAULT '{}',
    attempts int NOT NULL DEFAULT 0,
    retry_at timestamptz,
    UNIQUE (kind, subject)
);
CREATE INDEX timers_due ON timers (due_at);

-- Edges between journeys of one person. They commute: each event fills its own columns.
CREATE TABLE journey_links (
    link_id    uuid PRIMARY KEY,
    a          uuid NOT NULL,
    b          uuid NOT NULL,
    made_at    timestamptz,
    removed_at timestamptz
);
CREATE INDEX journey_links_a ON journey_links (a) WHERE removed_at IS NULL;
CREATE INDEX journey_links_b ON journey_links (b) WHERE removed_at IS NULL;

CREATE TABLE business_clock (
    only_row       boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    offset_seconds double precision NOT NULL DEFAULT 0
);
INSERT INTO business_clock DEFAULT VALUES;

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
