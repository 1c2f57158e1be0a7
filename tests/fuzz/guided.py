"""Fuzzes as ``fuzz_extract`` does, and goes on with the pages that reach new code of the reader.

    python -m tests.fuzz.guided --seconds 600 --seed 1 --keep /tmp/findings

Needs atheris, which nothing else here does. Its corpus stays in ``--keep``; a second run goes on with it.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["archiver"]):  # what is imported outside of it is not watched
    from tests.fuzz.fuzz_extract import (
        CAPTURED,
        HEADERS,
        MOMENTS,
        TYPES,
        URL,
        URLS,
        Case,
        check,
        encoded,
        keep_case,
        mutated,
        seeds,
    )  # fmt: skip


def run(seconds: float, seed: int, keep: Path) -> None:
    """Fuzz for some time; pages on which a promise breaks are written to ``keep``, one for each promise."""
    pages = seeds()

    def mutate(data: bytes, size: int, number: int) -> bytes:
        rng = random.Random(number)
        page = data.decode("latin-1")
        for _ in range(rng.choice((1, 2, 3))):
            page = mutated(rng, page, pages)
        return encoded(rng, page)[:size]

    def test_one(data: bytes) -> None:
        rng = random.Random(len(data))
        case = Case(data, URL, None, (), CAPTURED)
        if rng.random() < 0.5:
            case = Case(data, rng.choice(URLS), rng.choice(TYPES), rng.choice(HEADERS), rng.choice(MOMENTS))
        for promise in check(case):
            name = re.sub(r"\W+", "-", promise)[:100]
            if not (keep / f"{name}.html").exists():
                print(promise, flush=True)
                keep_case(keep, name, case)

    corpus = keep / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, page in enumerate(pages):
        (corpus / f"seed-{number}").write_bytes(page.encode("latin-1", "replace"))
    limits = ["-max_len=100000", "-timeout=60", "-rss_limit_mb=4096", "-print_final_stats=1"]
    options = [f"-max_total_time={seconds:.0f}", f"-seed={seed}", f"-artifact_prefix={keep}/", *limits]
    atheris.Setup([sys.argv[0], *options, str(corpus)], test_one, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=Path("/tmp/fuzz-extract"))
    options = parser.parse_args()
    run(options.seconds, options.seed, options.keep)
