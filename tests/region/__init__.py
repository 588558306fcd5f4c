"""A region under fire: two engines, PostgreSQL, RabbitMQ, six feeds, ten subscribers, random kills; then the ledger."""
