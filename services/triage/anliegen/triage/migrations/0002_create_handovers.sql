-- cases that their task handed over, and which concern goes on from each
-- depends: 0001_create_contacts

-- migrate: apply

-- `case_id` is the case that was handed over. It may be heard of before its contact is.
CREATE TABLE handovers (
    case_id    uuid PRIMARY KEY,
    contact_id uuid NOT NULL,
    task       text NOT NULL,
    to_task    text NOT NULL
);
CREATE INDEX handovers_contact ON handovers (contact_id);

ALTER TABLE concerns ADD COLUMN handed_over_from uuid;
CREATE UNIQUE INDEX concerns_handed_over ON concerns (handed_over_from) WHERE handed_over_from IS NOT NULL;

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
