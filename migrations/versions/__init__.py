"""The revisions, one a file, oldest first by name.

a database of the revision before ─► upgrade ─► one of this revision
May import: nothing: a revision stays as it was, whatever the code becomes.
"""
