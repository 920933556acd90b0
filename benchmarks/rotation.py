"""Refresh rotation in figures: honest users refused in a million refreshes, and how long thieves last.

    python benchmarks/rotation.py              # a million refreshes a line, some minutes
    python benchmarks/rotation.py --quick      # a tenth of it
    python benchmarks/rotation.py --refreshes 5000000 --seed 7

Every token goes through the real `decide`. Two rules are shown side by side: the table of the design, and the same with
requests that two rotations overtook forgiven as odd repeats (`Rules.overtaken`).
"""

from __future__ import annotations

import argparse
import random
import statistics
import time

from rotation_world import MOST_GENERATIONS, SCENES, THIEVES, Thief, honest, steal
from watchword_server.tokens.refresh import Rules

RULES = {"table": Rules(), "overtaken": Rules(overtaken=True)}
DESIGN = {
    "another kind of device, in step": "1 or 2",
    "another kind of device, once a cycle at random": "1 or 2",
    "same kind of device, in step": "11",
    "same kind of device, once a cycle at random": "21 (55 at most)",
    "same kind of device, always within the window": "not found",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--refreshes", type=int, default=1_000_000, help="granted refreshes a line")
    parser.add_argument("--quick", action="store_true", help="a tenth of the default")
    parser.add_argument("--seed", type=int, default=20261120)
    given = parser.parse_args()
    refreshes = given.refreshes // 10 if given.quick else given.refreshes
    print_honest(refreshes, given.seed)
    print()
    print_thieves(200 if given.quick else 2000, given.seed)


def print_honest(refreshes: int, seed: int) -> None:
    print(f"Honest users refused in 10^6 refreshes ({refreshes:,} granted a line; seed {seed})")
    print(f"{'':44} {'rule':>10} {'refused':>8} {'design':>7} {'signals':>8} {'odd max':>7} {'us each':>8}")
    for scene in SCENES:
        for name, rules in RULES.items():
            began = time.perf_counter()
            tally = honest(rules, scene.weather, scene.habits, refreshes=refreshes, seed=seed)
            each = 1e6 * (time.perf_counter() - began) / sum(tally.fates.values())
            signals = 1e6 * tally.signals / tally.refreshes
            print(
                f"{scene.name:44} {name:>10} {tally.per_million:8.1f} {scene.design:>7} {signals:8.0f} "
                f"{tally.highest_odd_count:7} {each:8.1f}",
                flush=True,
            )


def print_thieves(thefts: int, seed: int) -> None:
    print(f"Generations from theft to the end of the family (bearer cookie; {thefts:,} thefts a line)")
    print(f"{'':52} {'rule':>10} {'median':>7} {'p99':>6} {'most':>6} {'told by':>8} {'tokens':>7}  design")
    for thief in THIEVES:
        for name, rules in RULES.items():
            print_thief(thief, name, rules, thefts, seed)


def print_thief(thief: Thief, name: str, rules: Rules, thefts: int, seed: int) -> None:
    chance = random.Random(seed)
    first = steal(rules, thief, chance)
    endless = first.generations >= MOST_GENERATIONS
    found = [first] if endless else [first, *(steal(rules, thief, chance) for _ in range(thefts - 1))]
    generations = sorted(theft.generations for theft in found)
    p99 = generations[int(0.99 * (len(generations) - 1))]
    told = [theft.generations if theft.signalled_after is None else theft.signalled_after for theft in found]
    figures = "not found in" if endless else ""
    print(
        f"{thief.name:52} {name:>10} {statistics.median(generations):7.0f} {p99:6} {generations[-1]:6} "
        f"{statistics.median(told):8.0f} {statistics.mean(theft.access_tokens for theft in found):7.1f}  "
        f"{DESIGN.get(thief.name, '-')} {figures and f'({figures} {generations[-1]:,})'}"
    )


if __name__ == "__main__":
    main()
