"""The way out: one row a delivery, order kept per key, back-off, and a breaker per subscriber."""
