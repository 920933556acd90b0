"""`GET /revocations`: the revocation log for verifiers, as pages, held until there is news, or as a stream.

Holds no cut-off and no rule of freshness: revocation/node.py reads, keys/ring.py signs.
"""
