"""The public surface, a package or file a capability, strangers to one another.

Holds no rule; what two of them need lives a floor below.
"""
