"""Measurements on public data, and the adapters that turn their files into events. No data is committed."""
