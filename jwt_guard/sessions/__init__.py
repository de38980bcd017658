"""Sessions: refresh with rotation, reuse detection, revocation."""
