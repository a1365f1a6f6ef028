-- what the relay announced lately, to be announced again should Kafka lose it
-- depends: 0004_create_operator_actions

-- migrate: apply

-- Rows of the outbox that Kafka has, for a day. With them a database alone is enough to tell everybody again what it
-- said and they had not heard yet: after Kafka lost it, or where this database was restored beside an empty Kafka.
CREATE TABLE announced (
    seq          bigint NOT NULL,
    event_id     uuid NOT NULL,
    topic        text NOT NULL,
    key          text NOT NULL,
    type         text NOT NULL,
    sequence     bigint NOT NULL,
    headers      jsonb NOT NULL,
    payload      bytea NOT NULL,
    created_at   timestamptz NOT NULL,
    announced_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- Only ever read by age, from the oldest, or all of it.
CREATE INDEX announced_announced_at ON announced USING brin (announced_at);

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
