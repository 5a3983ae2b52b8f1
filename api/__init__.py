"""See the room table in docs/architecture.md."""
