-- why somebody held or released by hand and took an agreement back; which refunds give a purchase's own money back
-- depends: 0008_create_goodwill_credits

-- migrate: apply
ALTER TABLE dunning_holds ADD COLUMN placed_because text, ADD COLUMN released_because text;
ALTER TABLE payment_agreements ADD COLUMN ended_because text;
ALTER TABLE refunds ADD COLUMN of_purchase boolean NOT NULL DEFAULT false;

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
