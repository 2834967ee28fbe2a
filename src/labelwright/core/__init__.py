"""The ground floor: every noun and every rule of the product, as values in and values out.

Nothing here reads a file, a clock, a network or global randomness; the floors above bring those.
"""
