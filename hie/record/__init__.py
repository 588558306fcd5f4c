"""The record: what was decoded, kept compressed, with the versions of each resource."""
