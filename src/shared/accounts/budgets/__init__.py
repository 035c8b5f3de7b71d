"""What may be spent on models: reserved before each call, settled after it. docs/budgets.md says how."""
