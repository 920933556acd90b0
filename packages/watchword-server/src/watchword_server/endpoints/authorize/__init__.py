"""The authorization endpoint (RFC 6749 §3.1, OpenID Connect Core §3.1.2): the hub to which every step returns.

Issues no token: it ends with a code, which endpoints/token/ exchanges.
"""
