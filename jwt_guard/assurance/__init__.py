"""Checks of a configuration, and evidence for auditors."""
