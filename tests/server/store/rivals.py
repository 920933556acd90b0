"""Three processes that try the same at once, each of them `rival.py`."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

RIVAL = Path(__file__).with_name("rival.py")


async def won_by_processes(store_url: str, act: str, count: int) -> Counter[int]:
    """How many of three processes won each of so many races, by the race's number."""
    command = [sys.executable, str(RIVAL), store_url, act, str(count)]
    rivals = [
        subprocess.Popen([*command, str(seed)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for seed in range(3)
    ]
    for rival in rivals:
        assert rival.stdout.readline() == "ready\n"
    for rival in rivals:
        rival.stdin.write("go\n")
        rival.stdin.flush()
    answers = await asyncio.gather(*(asyncio.to_thread(rival.communicate) for rival in rivals))
    return Counter(number for answer, _ in answers for number in json.loads(answer))
