"""The key ring: keys made, sealed, announced, rotated and distrusted.

Holds no token format: what is signed lives in tokens/.
"""
