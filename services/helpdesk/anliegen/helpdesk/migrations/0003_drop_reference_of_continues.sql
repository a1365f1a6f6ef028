-- a case may go on from one that another task handed over
-- depends: 0002_index_unsettled_questions

-- migrate: apply
ALTER TABLE questions DROP CONSTRAINT questions_continues_fkey;

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
