"""The token endpoint (RFC 6749 §3.2): one pipeline that every grant shares, one file a grant.

Knows no other endpoint.
"""
