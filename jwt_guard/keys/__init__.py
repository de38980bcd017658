"""Keys: rules, sets, sources, and our own signing keys."""
