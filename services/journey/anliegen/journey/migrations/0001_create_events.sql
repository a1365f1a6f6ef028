-- create events
-- depends:

-- migrate: apply

-- Every event that was ever heard, as it came: `payload` is its exact bytes. All else in this database can be computed
-- from this table. `other_journey_id` is the second journey of a merge or a split.
CREATE TABLE events (
    event_id         uuid PRIMARY KEY,
    journey_id       uuid,
    other_journey_id uuid,
    key              text NOT NULL,
    source           text NOT NULL,
    type             text NOT NULL,
    sequence         bigint NOT NULL,
    time             timestamptz NOT NULL,
    subject          text,
    correlation_id   text,
    causation_id     uuid,
    case_id          uuid,
    contact_id       uuid,
    words            boolean NOT NULL,
    topic            text NOT NULL,
    partition        int NOT NULL,
    "offset"         bigint NOT NULL,
    payload          bytea NOT NULL
);
CREATE INDEX events_journey ON events (journey_id, source, sequence);
CREATE INDEX events_other_journey ON events (other_journey_id) WHERE other_journey_id IS NOT NULL;
CREATE INDEX events_in_order ON events (key, source, sequence, event_id);

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
