"""Live queries and streaming subscriptions over WebSocket."""
