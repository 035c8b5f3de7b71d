"""The durable core: a task is leased, advanced, handed on and ended exactly once."""
