-- what waits for an approval is found without reading what was decided
-- depends: 0007_drop_reference_of_continues

-- migrate: apply

-- Those who approve look here all day, and few wait among all that were ever given.
CREATE INDEX goodwills_waiting ON goodwills (proposed_at, goodwill_id) WHERE state = 'waiting_for_approval';

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
