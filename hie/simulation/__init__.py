"""A region that does not exist: people, clinics that send over real sockets, subscribers that count what they get.

Used by `hie demo` and `hie bench`; nothing of a node imports it.
"""
