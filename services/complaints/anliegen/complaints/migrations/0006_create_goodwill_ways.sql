-- by which contacts customers can be told of goodwill
-- depends: 0005_create_withdrawn_proposals

-- migrate: apply

-- Every contact, with whether words about money may go there. What stands here is one fact of intake's alone.
CREATE TABLE goodwill_ways (
    contact_id  uuid PRIMARY KEY,
    journey_id  uuid NOT NULL,
    received_at timestamptz NOT NULL,
    answerable  boolean NOT NULL,
    safe        boolean NOT NULL
);
CREATE INDEX goodwill_ways_journey ON goodwill_ways (journey_id, received_at);

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
