-- how far the relay announced, and what stops a database that was restored to an earlier time
-- depends: 0002_create_idempotency_keys

-- migrate: apply

-- Every event of ours below this offset is known to this database. Entered when the log is looked at, raised by the
-- relay. Another cluster's offsets say nothing.
CREATE TABLE relay_position (
    topic       text NOT NULL,
    part        int NOT NULL,
    cluster_id  text NOT NULL,
    next_offset bigint NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (topic, part)
) WITH (fillfactor = 50);

-- While one is open, the service serves reads and does nothing else.
CREATE TABLE fences (
    fence_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fenced_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    fenced_by      text NOT NULL,
    reason         text NOT NULL,
    listed_at      timestamptz,
    released_at    timestamptz,
    released_by    text,
    release_reason text
);
CREATE UNIQUE INDEX fences_open ON fences ((released_at IS NULL)) WHERE released_at IS NULL;

-- What this service announced and its restored database does not know.
CREATE TABLE announced_unknown (
    fence_id       bigint NOT NULL REFERENCES fences,
    event_id       uuid NOT NULL,
    type           text NOT NULL,
    key            text NOT NULL,
    sequence       bigint NOT NULL,
    subject        text,
    time           timestamptz NOT NULL,
    causation_id   text,
    correlation_id text,
    topic          text NOT NULL,
    part           int NOT NULL,
    "offset"       bigint NOT NULL,
    PRIMARY KEY (fence_id, event_id)
);
CREATE INDEX announced_unknown_time ON announced_unknown (fence_id, time, event_id);

-- Which database was looked at last: one that was restored, copied or promoted is another, and takes no command before
-- it was compared with the log.
CREATE TABLE database_looked_at (
    only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    incarnation text NOT NULL,
    looked_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
