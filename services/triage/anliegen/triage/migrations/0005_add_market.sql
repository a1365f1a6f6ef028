-- add market
-- depends: 0004_create_words

-- migrate: apply

-- ISO 3166-1 alpha-2, the market a contact comes from; null for what was read before there was one.
ALTER TABLE contacts ADD COLUMN market text;
ALTER TABLE reviews ADD COLUMN market text;

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
