"""What agents are made of: nodes and links."""
