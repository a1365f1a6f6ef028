-- vault, handles, contacts, cases of contacts
-- depends:

-- migrate: apply

-- What came in, byte for byte, before anybody tried to understand it. Large bytes lie in the object store under sha256.
CREATE TABLE vault (
    vault_id    uuid PRIMARY KEY,
    channel     text NOT NULL,
    account     text NOT NULL,
    received_at timestamptz NOT NULL,
    sha256      text NOT NULL,
    size        bigint NOT NULL,
    headers     jsonb NOT NULL DEFAULT '{}',
    raw         bytea,
    state       text NOT NULL DEFAULT 'received' CHECK (state IN ('received', 'processed', 'quarantined')),
    reason      text,
    error       text,
    attempts    int NOT NULL DEFAULT 0,
    version     bigint NOT NULL DEFAULT 1
);
CREATE INDEX vault_open ON vault (state, received_at, vault_id) WHERE state <> 'processed';

-- One row per address: it decides which journey the address belongs to.
CREATE TABLE handles (
    kind          text NOT NULL,
    value         text NOT NULL,
    generation    int NOT NULL DEFAULT 0,
    journey_id    uuid NOT NULL,
    first_seen_at timestamptz NOT NULL,
    verified_at   timestamptz,
    PRIMARY KEY (kind, value)
);
CREATE INDEX handles_journey ON handles (journey_id);

CREATE TABLE contacts (
    contact_id      uuid PRIMARY KEY,
    journey_id      uuid NOT NULL,
    channel         text NOT NULL,
    account         text NOT NULL,
    reference       text NOT NULL,
    received_at     timestamptz NOT NULL,
    sender_kind     text,
    sender_value    text,
    customer_number text,
    assurance       text NOT NULL,
    display_name    text,
    subject_line    text,
    text            text NOT NULL,
    content         jsonb,
    language        text,
    attachments     jsonb NOT NULL DEFAULT '[]',
    stated_task     text,
    thread          jsonb,
    automatic       text,
    message_id      text,
    message_refs    text[] NOT NULL DEFAULT '{}',
    vault_id        uuid,
    noted_by        text,
    version         bigint NOT NULL DEFAULT 1
);
CREATE INDEX contacts_journey ON contacts (journey_id, received_at DESC);
CREATE INDEX contacts_message ON contacts (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX contacts_reference ON contacts (reference);
CREATE INDEX contacts_sender ON contacts (sender_kind, sender_value, received_at DESC) WHERE sender_value IS NOT NULL;

-- What the tasks say about the cases of a contact; the highest sequence of a task's stream holds.
CREATE TABLE contact_cases (
    case_id    uuid PRIMARY KEY,
    contact_id uuid,
    journey_id uuid NOT NULL,
    task       text NOT NULL,
    status     text NOT NULL,
    sequence   bigint NOT NULL,
    changed_at timestamptz NOT NULL
);
CREATE INDEX contact_cases_contact ON contact_cases (contact_id);

-- Files that a provider keeps until we fetch them.
CREATE TABLE media (
    contact_id uuid NOT NULL,
    media_id   text NOT NULL,
    ordinal    int NOT NULL,
    account    text NOT NULL,
    media_type text NOT NULL,
    name       text NOT NULL,
    state      text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'stored', 'failed')),
    content    jsonb,
    attempts   int NOT NULL DEFAULT 0,
    due        timestamptz NOT NULL,
    code       text,
    PRIMARY KEY (contact_id, media_id)
);
CREATE INDEX media_due ON media (due) WHERE state = 'pending';

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
