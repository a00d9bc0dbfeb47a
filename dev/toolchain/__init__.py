"""The programs that tests, demo and benchmarks use, installed into this repository's own folder."""
