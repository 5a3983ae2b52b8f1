"""`python -m millrace`: how the supervisor starts its parts, whatever is on the PATH."""

from millrace.cli import main

main()
