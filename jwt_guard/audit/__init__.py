"""Who is told of every outcome."""
