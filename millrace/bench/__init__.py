"""`millrace bench`: what inference costs on this machine, and against other libraries.

forests ─► contestants, each in a process ─► Result ─► tables
May import: models, streams, millrace.demo, millrace.kafka.
"""
