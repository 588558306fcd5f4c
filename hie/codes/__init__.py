"""Code systems: OID to URI, and what the exchange calls an authority or system it was told no URI for."""
