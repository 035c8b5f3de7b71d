"""The blocks that Parley ships. Each module here is one block, found by being here."""
