"""Operations: the work of long-running tools, each a task of its own, and what their ends change."""
