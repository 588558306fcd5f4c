"""The way in: raw bytes made durable, in order, once."""
