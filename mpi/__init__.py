"""Patient matching online: careful, explained, reversible. A library of its own: it owns its tables (`mpi.tables`), takes a connection and never commits.

register    mpi.index.Index.register   one or many registrations -> which person, and why
match       mpi.index.Index.match      the dry run
history     mpi.history                merge, link, unlink, split, undo: append-only events
persons     mpi.persons                members, golden record, open questions
review      mpi.review                 what stewards decide
"""
