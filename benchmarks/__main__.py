"""``python -m benchmarks``: all benchmarks, of which there is one so far."""

from benchmarks.crawl.bench import main

main()
