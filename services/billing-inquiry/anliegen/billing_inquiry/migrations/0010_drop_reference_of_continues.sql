-- a case may go on from one that another task handed over
-- depends: 0009_add_reasons_to_payment_agreements

-- migrate: apply
ALTER TABLE inquiries DROP CONSTRAINT inquiries_continues_fkey;

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
