"""The administration API under /admin/api.

Holds JSON over the same verbs as the command line; loaded on the first request only (lazy.py), because FastAPI is.
"""
