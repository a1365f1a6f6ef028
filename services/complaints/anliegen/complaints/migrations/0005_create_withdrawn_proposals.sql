-- proposals of goodwill that were withdrawn, perhaps before they were heard of
-- depends: 0004_create_complaints

-- migrate: apply

-- What is in here is never decided.
CREATE TABLE withdrawn_proposals (
    proposal_id  uuid PRIMARY KEY,
    journey_id   uuid NOT NULL,
    reason       text NOT NULL,
    withdrawn_by text NOT NULL,
    withdrawn_at timestamptz NOT NULL
);

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
