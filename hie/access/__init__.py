"""Who may call what: credentials, roles, sessions. Knows no web framework and no route."""
