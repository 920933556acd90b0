"""Reading the revocation log.

Holds no cut-off of its own: the store writes them in the transactions of what they announce.
"""
