-- refunds are looked for by customer before each new one
-- depends: 0010_drop_reference_of_continues

-- migrate: apply
CREATE INDEX refunds_journey ON refunds (journey_id) WHERE state = 'booked';

-- migrate: rollback
-- Forward only: what is wrong is mended by the next migration.
