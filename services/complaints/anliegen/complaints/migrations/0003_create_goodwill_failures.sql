-- what went wrong for customers, which weighs in what is proportionate
-- depends: 0002_create_goodwills

-- migrate: apply

-- Every failure that any service tells of, once, by the journey it happened in; they count over the journeys of a person.
CREATE TABLE goodwill_failures (
    failure_id  uuid PRIMARY KEY,
    journey_id  uuid NOT NULL,
    occurred_at timestamptz NOT NULL
);
CREATE INDEX goodwill_failures_journey ON goodwill_failures (journey_id, occurred_at);

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
