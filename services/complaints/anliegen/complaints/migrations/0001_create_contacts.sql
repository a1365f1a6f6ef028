-- what is known of each contact
-- depends:

-- migrate: apply

-- The two facts come on different topics, in any order: each fills its own columns.
CREATE TABLE contacts (
    contact_id uuid PRIMARY KEY,
    journey_id uuid NOT NULL,
    channel    text,
    language   text,
    starred_at timestamptz,
    version    bigint NOT NULL DEFAULT 1
);

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
