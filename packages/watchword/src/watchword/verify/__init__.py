"""Accepting access tokens: pure rules, the keys and cut-offs they need, and the two shells around them.

Issues nothing and speaks to no web framework; the common names are re-exported by ``watchword`` itself.
"""
