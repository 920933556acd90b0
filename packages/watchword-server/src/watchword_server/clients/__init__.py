"""Clients: what is known of them, how they are found, how they prove who they are.

Does not issue tokens.
"""
