"""``python -m archiver``: the ``archiver`` command of this interpreter."""

from archiver.cli import main

main()
