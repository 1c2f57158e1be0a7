"""``python -m benchmarks.crawl``."""

from benchmarks.crawl.bench import main

main()
