"""Blocks: the pieces of work that agents are made of."""
