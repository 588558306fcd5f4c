"""The engine process: journal rows in, records and outbox rows committed in groups, deliveries out, commands answered."""
