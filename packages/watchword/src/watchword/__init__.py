"""Accept tokens: verify them without I/O, and know when they were revoked.

Holds only re-exports; the code lives in the modules below.
"""
