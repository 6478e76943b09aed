"""The local exchange: a real HTTP and WebSocket server on loopback that speaks the formats of the market APIs."""
