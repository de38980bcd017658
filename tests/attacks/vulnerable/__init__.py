"""Tiny servers, each broken in one place."""
