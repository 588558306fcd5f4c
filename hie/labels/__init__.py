"""Which sensitivity labels a resource earns, by rules over code hierarchies, source and text. Labels only go up."""
