"""Tokens: strict parsing, profiles, claims, the verifier and its cache, the issuer."""
