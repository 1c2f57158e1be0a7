"""The parts of discovery: what a feed, a sitemap, a section page or robots.txt says about where articles are.

Bytes and a URL go in, facts come out; nothing here fetches, waits or remembers, and nothing imports Scrapy. Imports run
one way, in this order: found, words, identity, documents, shapes, robots, taming, feeds, sitemaps, listings.
``archiver.crawl.discover`` puts them together.
"""
