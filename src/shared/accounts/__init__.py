"""Who the caller is, what they have told about themselves, and how much they may do."""
