"""What looks wrong: small rules over the stream of events."""
