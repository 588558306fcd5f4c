"""Builders for FHIR R4 as plain dicts: ids, dates, provenance."""
