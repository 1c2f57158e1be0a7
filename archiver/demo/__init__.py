"""A small news site of our own, for a newcomer's first crawl and for the tests."""
