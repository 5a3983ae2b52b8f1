"""The commands by group; `millrace.cli` assembles them. Heavy rooms are imported inside the commands."""
