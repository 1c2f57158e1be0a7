"""The parts of reading a page: its tree, its lines, and each thing it says of itself.

Imports run one way, in this order: markup, structured, lines, parse, blocks, tables, dates, media, titles,
publication, names, byline, teasers. ``archiver.metadata`` and ``archiver.extract`` put them together; ``safe_html``
shows what came out.
"""
