"""Shadow mode: what we would have sent beside what the present engine sent, and where they differ."""
