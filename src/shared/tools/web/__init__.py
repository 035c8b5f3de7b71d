"""How `web_fetch` reaches the public web, and only that: addresses, URLs, one guarded hop, and text."""
