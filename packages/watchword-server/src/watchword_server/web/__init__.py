"""HTTP's room: what every endpoint needs of requests and answers.

Knows no account, session or token.
"""
