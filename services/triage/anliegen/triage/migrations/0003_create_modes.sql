-- create modes
-- depends: 0002_create_handovers

-- migrate: apply

-- How far triage goes with a task, each change a row of its own; the highest version is in force. A task without a row
-- is as the rule pack has it. `report` is the fitness report at that moment.
CREATE TABLE modes (
    task       text NOT NULL,
    version    int NOT NULL,
    mode       text NOT NULL CHECK (mode IN ('suggest', 'preselect', 'automate')),
    reason     text NOT NULL,
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL,
    report     jsonb NOT NULL,
    PRIMARY KEY (task, version)
);

-- What became of a reading: of each task that was read whether it was, by the decision of a review, or because the task
-- handed over what triage gave it. The first word counts.
CREATE TABLE judgements (
    contact_id uuid NOT NULL REFERENCES contacts,
    task       text NOT NULL,
    confidence double precision NOT NULL,
    confirmed  boolean NOT NULL,
    model      text NOT NULL,
    source     text NOT NULL CHECK (source IN ('review', 'handover')),
    judged_at  timestamptz NOT NULL,
    PRIMARY KEY (contact_id, task)
);
CREATE INDEX judgements_task ON judgements (task, judged_at);

-- Fitness reports count what the model decided by itself, and how sure it was lately.
CREATE INDEX contacts_automated ON contacts (decided_at) WHERE decided_by = 'model';
CREATE INDEX contacts_received ON contacts (received_at);

-- How far triage went with what waits: null where it said nothing.
ALTER TABLE reviews ADD COLUMN mode text CHECK (mode IN ('suggest', 'preselect'));

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
