"""Access tokens and refresh tokens: their form, their claims, their rotation.

Holds no HTTP and no SQL: endpoints call in, the storage port lies below.
"""
