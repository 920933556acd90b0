"""The end-session endpoint: logout begun by a client (OpenID Connect RP-Initiated Logout 1.0), told to others by frames
(Front-Channel Logout 1.0).

Logout of first parties is at endpoints/session/; back-channel notices follow the log of cut-offs.
"""
