"""The reference pages, made from the code: `python -m hie.reference docs/reference`. One noun a file, one page a file."""
