-- questions that are not settled, counted every few seconds for dashboards
-- depends: 0001_create_questions

-- migrate: apply
CREATE INDEX questions_unsettled ON questions (state, promise_state) WHERE settled_at IS NULL;

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
