"""The endpoints of the SSF transmitter: configuration, management of streams, polls.

Holds no rule of streams; ssf/ does.
"""
