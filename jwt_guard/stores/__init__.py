"""Stores: memory, SQL, Valkey."""
