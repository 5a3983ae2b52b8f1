"""Migrations: one revision a file in `versions`, run by `storage.upgrade`."""
