-- words on their way to customers
-- depends: 0001_create_vault_and_contacts

-- migrate: apply

CREATE TABLE outgoing_messages (
    reply_id      uuid PRIMARY KEY,
    ord           bigint GENERATED ALWAYS AS IDENTITY,
    contact_id    uuid NOT NULL,
    journey_id    uuid NOT NULL,
    case_id       uuid,
    task          text,
    channel       text NOT NULL,
    account       text NOT NULL,
    recipient     text,
    template      text NOT NULL,
    "values"      jsonb NOT NULL DEFAULT '{}',
    language      text NOT NULL,
    automatic     boolean NOT NULL DEFAULT false,
    state         text NOT NULL CHECK (state IN ('pending', 'sent', 'delivered', 'failed', 'suppressed')),
    code          text,
    attempts      int NOT NULL DEFAULT 0,
    due           timestamptz NOT NULL,
    claimed_until timestamptz,
    created_at    timestamptz NOT NULL,
    sent_at       timestamptz,
    provider_id   text,
    message_id    text,
    -- The event these words answer to: what becomes of them follows from it.
    cause_id      uuid,
    cause_at      timestamptz,
    correlation   text
) WITH (fillfactor = 80);
CREATE INDEX outgoing_due ON outgoing_messages (due) WHERE state = 'pending';
CREATE INDEX outgoing_order ON outgoing_messages (channel, recipient, ord) WHERE state = 'pending';
CREATE INDEX outgoing_contact ON outgoing_messages (contact_id);
CREATE INDEX outgoing_message ON outgoing_messages (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX outgoing_provider ON outgoing_messages (provider_id) WHERE provider_id IS NOT NULL;
CREATE INDEX outgoing_automatic ON outgoing_messages (recipient, created_at) WHERE automatic AND recipient IS NOT NULL;

-- What a provider tells about a message; it may be faster than we are at noting that we sent it.
CREATE TABLE provider_statuses (
    provider_id text NOT NULL,
    status      text NOT NULL,
    at          timestamptz NOT NULL,
    code        text,
    PRIMARY KEY (provider_id, status)
);

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
