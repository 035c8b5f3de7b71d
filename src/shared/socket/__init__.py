"""The WebSocket API: frames in, use cases called, frames out; nothing ever raises to the gateway."""
