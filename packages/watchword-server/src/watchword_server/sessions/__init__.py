"""Sessions: one login on one device.

Holds no token; tokens/ issues them.
"""
