"""Remote MCP servers that the deployment allows."""
