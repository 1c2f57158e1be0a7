"""``python -m benchmarks``: all benchmarks. The arguments are for the crawls; reading is compared on our own pages."""

from benchmarks.crawl.bench import main as compare_crawls
from benchmarks.extraction.bench import main as compare_reading

compare_reading([])
print(flush=True)
compare_crawls()
