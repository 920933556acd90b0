"""The transmitter of the Shared Signals Framework (SSF 1.0): what the revocation log means to receivers elsewhere.

Knows no HTTP of its own endpoints; endpoints/ssf does, and the outbox delivers.
"""
