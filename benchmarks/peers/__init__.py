"""Peers that do the work of Millrace's agents with other stream libraries. Run by benchmarks/same_work.py."""
