"""The parts of reading a page: its tree, its lines, and each thing it says of itself.

Imports run one way, in this order: markup, loose_json, structured, language, lines, parse, blocks, tables, dates,
media, titles, names, byline, publication, teasers, strays, prose, state, body, container, rules,
findings. ``archiver.metadata``
and ``archiver.extract`` put them together; ``safe_html`` shows what came out.
"""
