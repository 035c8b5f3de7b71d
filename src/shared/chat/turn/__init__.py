"""Advancing a turn: one owner, step by step, until it ends, waits or is handed on."""
