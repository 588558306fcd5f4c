"""Who may have what: jurisdictions as data, consents compiled once, decisions that explain themselves, redaction."""
