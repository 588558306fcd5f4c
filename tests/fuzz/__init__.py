"""Damaged messages and documents by the million: a record or a named refusal, in bounded time and memory."""
