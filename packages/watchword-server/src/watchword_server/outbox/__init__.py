"""Deliveries to others with retries, and the follower that turns the revocation log into deliveries.

Knows no protocol of a delivery: couriers and translators bring it.
"""
