"""What the server keeps: accounts, sessions, refresh families, the log of cut-offs, keys, audit.

Imports nothing: port.py says what may be done, open.py makes the engine an address names.
"""
