"""What lends connections to the rooms that keep tables in the file of the index."""

from __future__ import annotations

import sqlite3
from contextlib import AbstractContextManager
from typing import Protocol


class Database(Protocol):
    """The index, as its neighbours see it."""

    def reading(self) -> AbstractContextManager[sqlite3.Connection]: ...
    def writing(self) -> AbstractContextManager[sqlite3.Connection]: ...
