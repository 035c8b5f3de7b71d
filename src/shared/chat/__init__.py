"""Sessions, their transcript, and the turn: accept, think, stream, stop, end."""
