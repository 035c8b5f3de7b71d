"""Runs of agents: starting, advancing, ending, and telling of them."""
