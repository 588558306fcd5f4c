"""The database of the exchange: tables, migrations, and the one writer that commits in groups."""
