"""The loop the fuzz targets of this folder share: change a seed, run the target, keep what led somewhere new.

Standard library only. A target takes bytes and returns a short name of the outcome (such as the reason of a refusal);
any exception is a finding. Where `atheris <https://github.com/google/atheris>`_ is installed, ``--atheris`` hands the
same target to it.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence

Target = Callable[[bytes], str]

MOST_KEPT = 2000


def mutate(data: bytes, other: bytes, words: Sequence[bytes], chance: random.Random) -> bytes:
    """Change bytes in one to four places, by one of eight acts."""
    text = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        place, act = chance.randint(0, len(text)), chance.randrange(8)
        end = min(len(text), place + chance.randint(1, 8))
        if act == 0 and place < len(text):
            text[place] ^= 1 << chance.randrange(8)
        elif act == 1:
            text[place:place] = chance.randbytes(chance.randint(1, 4))
        elif act == 2:
            del text[place:end]
        elif act == 3:
            text[place:end] = chance.choice(words)
        elif act == 4:
            text[place:place] = chance.choice(words)
        elif act == 5:
            text[place:place] = text[place:end] * chance.choice((1, 2, 20, 400))
        elif act == 6:
            text = text[:place] + other[chance.randint(0, len(other)) :]
        else:
            del text[place:]
    return bytes(text)


def run(
    target: Target,
    seeds: Sequence[bytes],
    words: Sequence[bytes],
    *,
    seed: int,
    seconds: float | None = None,
    rounds: int | None = None,
) -> Counter[str]:
    """Run until the time or the rounds are over; returns how often each outcome was met.

    Raises whatever the target raised, with the input as a note.
    """
    chance = random.Random(seed)
    corpus = list(seeds)
    outcomes: Counter[str] = Counter()
    for data in corpus:
        outcomes[_attempt(target, data)] += 1
    end = None if seconds is None else time.monotonic() + seconds
    done = 0
    while (rounds is None or done < rounds) and (end is None or time.monotonic() < end):
        data = mutate(chance.choice(corpus), chance.choice(corpus), words, chance)
        outcome = _attempt(target, data)
        outcomes[outcome] += 1
        done += 1
        # An outcome still rare is a place worth staying near.
        if outcomes[outcome] < 20 and len(corpus) < MOST_KEPT:
            corpus.append(data)
    return outcomes


def _attempt(target: Target, data: bytes) -> str:
    try:
        return target(data)
    except BaseException as error:
        error.add_note(f"input, in hexadecimal: {data.hex()}")
        raise


def main(target: Target, seeds: Sequence[bytes], words: Sequence[bytes]) -> None:
    """The command line of a target."""
    parser = argparse.ArgumentParser(description="Fuzz a parser: it must return a value or raise its one error.")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long to run (10)")
    parser.add_argument(
        "--seed", type=int, default=None, help="repeat a run; a new one is drawn and printed if missing"
    )
    parser.add_argument("--atheris", action="store_true", help="let atheris drive, which must be installed")
    options = parser.parse_args()
    if options.atheris:
        if importlib.util.find_spec("atheris") is None:
            parser.error("atheris is not installed")
        atheris = importlib.import_module("atheris")
        atheris.instrument_all()
        atheris.Setup([sys.argv[0], f"-max_total_time={options.seconds:.0f}"], lambda data: (target(data), None)[1])
        atheris.Fuzz()
        return
    seed = random.SystemRandom().randrange(2**32) if options.seed is None else options.seed
    print(f"seed {seed}")
    outcomes = run(target, seeds, words, seed=seed, seconds=options.seconds)
    print(f"{outcomes.total()} inputs, no finding")
    for outcome, times in outcomes.most_common():
        print(f"{times:9} {outcome}")
