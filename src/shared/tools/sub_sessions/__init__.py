"""Sub-sessions: conversations that a turn starts for itself."""
