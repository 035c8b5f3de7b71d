"""What people decide before an agent, or a block, goes on."""
