"""How a token travels, and whom it is bound to."""
