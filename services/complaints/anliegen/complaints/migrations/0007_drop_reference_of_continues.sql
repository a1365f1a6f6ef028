-- a case may go on from one that another task handed over
-- depends: 0006_create_goodwill_ways

-- migrate: apply
ALTER TABLE complaints DROP CONSTRAINT complaints_continues_fkey;

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
