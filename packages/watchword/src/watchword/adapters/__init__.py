"""Where web frameworks meet the verifier: extract, call, attach, challenge.

Holds no rules: what makes a token good is said in ``watchword.verify``.
"""
