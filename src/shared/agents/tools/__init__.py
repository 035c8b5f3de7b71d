"""The tools by which a chat finds, runs and builds agents."""
