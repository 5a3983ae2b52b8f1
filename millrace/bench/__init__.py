"""What `millrace bench` measures: how fast forests are scored here, and what a decision costs."""
