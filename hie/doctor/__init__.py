"""What keeps a node from running well, looked for from outside: one file a subject, each a generator of findings."""
