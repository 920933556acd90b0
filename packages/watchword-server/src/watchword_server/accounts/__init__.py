"""Accounts: who may log in, what names and passwords they may have, and how a password is checked.

Knows no HTTP and no session.
"""
