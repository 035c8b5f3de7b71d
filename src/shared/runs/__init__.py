"""Runs of agents: started once, advanced by whoever has time, ended once."""
