"""The real PostgreSQL and Kafka on one machine, from package indexes alone."""
