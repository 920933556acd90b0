"""The command line `watchword`: serve, and look after accounts, sessions, keys and what else the store keeps.

Holds no rule of its own; every command calls the services that the server calls. Never imported by the server process.
"""

from watchword_server.cli.main import app, main

__all__ = ["app", "main"]
