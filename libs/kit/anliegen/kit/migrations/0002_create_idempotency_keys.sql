-- answers that a repeated request gets again
-- depends: 0001_create_backbone

-- migrate: apply

-- `place` is a SHA-256 of caller, method, path and key; `content` one of what was asked.
CREATE TABLE idempotency_keys (
    place      bytea PRIMARY KEY,
    content    bytea NOT NULL,
    status     smallint NOT NULL,
    headers    jsonb NOT NULL,
    body       bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX idempotency_keys_created_at ON idempotency_keys USING brin (created_at);

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
