"""Bytes at rest: captures, WARC records, segments, indexes and the blobs they live in.

This package knows HTTP messages and files; it imports neither Scrapy nor a web framework.
"""
