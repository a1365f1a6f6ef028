-- credits do not lapse
-- depends: 0011_index_refunds_by_journey

-- migrate: apply
-- `valid_until` is neither written nor read any more; a release later it goes, when no older version runs.
ALTER TABLE goodwill_credits DROP CONSTRAINT goodwill_credits_check;
ALTER TABLE goodwill_credits ADD CHECK (num_nulls(currency, amount, effective_on) IN (0, 3));

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
