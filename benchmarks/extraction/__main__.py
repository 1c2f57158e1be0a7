"""``python -m benchmarks.extraction FOLDER…``."""

from benchmarks.extraction.bench import main

main()
