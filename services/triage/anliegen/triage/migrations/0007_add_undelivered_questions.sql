-- add undelivered questions
-- depends: 0006_create_questions

-- migrate: apply

-- A question may not reach the customer; then it is not one of the two.
ALTER TABLE questions DROP CONSTRAINT questions_state_check;
ALTER TABLE questions ADD CONSTRAINT questions_state_check
    CHECK (state IN ('asked', 'answered', 'unclear', 'undelivered'));

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
