"""The server's own pages, for people: login, consent, logout and the like, complete without JavaScript.

Holds how pages look and in what language they speak; what they ask for and what comes of it is up to the endpoints.
"""
