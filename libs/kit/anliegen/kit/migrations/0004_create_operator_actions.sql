-- who settled a dead letter and why; everything that people did and looked at by hand
-- depends: 0003_create_fences

-- migrate: apply

-- A record of its own beside the settled row: it is only ever added to (the service's role may not change it), and it
-- tells of looks at people's data, too, which leave no trace elsewhere.
CREATE TABLE operator_actions (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    who    text NOT NULL,
    did    text NOT NULL,
    about  text NOT NULL,
    reason text
);
CREATE INDEX operator_actions_about ON operator_actions (about, id);

ALTER TABLE dead_letters ADD COLUMN settled_by text;
ALTER TABLE dead_letters ADD COLUMN settled_reason text;
-- Looked at every few seconds, to sound the alarm: small, for settled letters are not in it.
CREATE INDEX dead_letters_unsettled ON dead_letters (id) WHERE settled_at IS NULL;

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
