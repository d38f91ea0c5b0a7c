"""WebSockets (RFC 6455): the handshake, frames, and a connection that is read and written at the same time."""
