-- inquiries that are not settled, counted every few seconds for dashboards
-- depends: 0001_create_inquiries

-- migrate: apply
CREATE INDEX inquiries_unsettled ON inquiries (state, promise_state) WHERE settled_at IS NULL;

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
