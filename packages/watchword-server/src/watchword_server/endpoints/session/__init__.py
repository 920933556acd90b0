"""The session API for first parties (http.md): register, log in, refresh, log out, see and end sessions.

Holds no rule and no SQL: it reads requests, calls the services a floor below, and writes answers.
"""
