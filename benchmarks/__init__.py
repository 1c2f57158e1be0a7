"""What the archiver costs; docs/benchmarks.md has the figures and says how to read them."""
