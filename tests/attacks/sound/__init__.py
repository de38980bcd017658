"""Servers that are careful, built on other libraries."""
