"""The vocabulary of OAuth 2.0 and OpenID Connect: registered names, errors, scopes, challenges, metadata.

Does no I/O and knows neither keys nor tokens; import what you need from the modules themselves.
"""
