"""The Watchword authorization server.

Holds nothing itself: app.py composes, cli.py commands.
"""
