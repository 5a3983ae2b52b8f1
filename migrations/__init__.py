"""Migrations: one revision a file in `versions`.

storage.upgrade ─► env ─► the revisions that a database does not have ─► its tables
May import: storage.
"""
