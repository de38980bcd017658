"""One small real application per framework, the same endpoints in each."""
