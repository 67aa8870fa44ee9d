"""Structured pruning: which channels hang together, what each is worth, what each costs, and which are removed."""
