"""``python -m tests.fuzz SECONDS [TARGET ...]``: feed each target for its share of the time; report what broke it.

``--same`` in place of SECONDS gives each target the same random inputs in every run, on fast and on slow machines, so
that only a change of the code changes the result. Otherwise atheris (``pip install atheris``) chooses inputs by the
code that they reach; without atheris the inputs are random.
"""

from __future__ import annotations

import contextlib
import importlib.util
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

NAMES = [
    "sse",
    "accumulator",
    "responses",
    "messages",
    "aggregator",
    "partial_json",
    "decoding",
    "http",
    "pictures",
    "sounds",
    "files",
    "failures",
    "growth",
]


SAME_INPUTS = 4_000
"""How many a target is fed by ``--same``: seconds would be more inputs on a fast machine, and others."""


def main() -> int:
    span, *chosen = sys.argv[1:] or ["60"]
    if span == "-":  # one target, in a separate process
        return fuzz(chosen[0], float(chosen[1]), int(chosen[2]), int(chosen[3]))
    names, same = chosen or NAMES, span == "--same"
    seed = 1 if same else int.from_bytes(random.randbytes(3)) + 1
    seconds, count = (0.0, SAME_INPUTS) if same else (float(span) / len(names), 0)
    broken = [name for name in names if not is_sound(name, seconds, count, seed)]
    print(f"BROKEN: {' '.join(broken)}" if broken else f"fuzz: {len(names)} targets, nothing broke")
    return 1 if broken else 0


def is_sound(name: str, seconds: float, count: int, seed: int) -> bool:
    """Fuzz one target in a separate process, since libFuzzer ends its process; print the result."""
    command = [sys.executable, "-m", "tests.fuzz", "-", name, str(seconds), str(count), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    fed = re.search(r"number_of_executed_units: (\d+)|: (\d+) inputs by chance", done.stderr + done.stdout)
    told = f"{int(fed[1] or fed[2]):,} inputs" if fed is not None else f"ended with {done.returncode}"
    print(f"{name}: {told}{' by chance' if fed is not None and fed[2] else ''}", flush=True)
    if done.returncode:
        print(done.stdout[-4_000:], done.stderr[-12_000:], sep="\n", flush=True)
    return not done.returncode


def fuzz(name: str, seconds: float, count: int, seed: int) -> int:
    if name == "growth":
        return told_growth(seconds or 5, seed)
    if count or importlib.util.find_spec("atheris") is None:
        return by_chance(name, seconds, count, seed)
    import atheris

    with atheris.instrument_imports(include=["msgflux_nb"]):
        from .targets import TARGETS
    from .seeds import WORDS, seeds_of

    with tempfile.TemporaryDirectory() as folder:
        corpus, words = Path(folder, "corpus"), Path(folder, "words")
        corpus.mkdir()
        for number, start in enumerate(seeds_of(name)):
            (corpus / str(number)).write_bytes(start)
        words.write_text("".join(f'"{escaped(word)}"\n' for word in WORDS))
        options = [f"-max_total_time={seconds:.0f}", "-timeout=20", "-rss_limit_mb=3000", "-max_len=6000"]
        options += [
            f"-seed={seed}",
            f"-dict={words}",
            f"-artifact_prefix={folder}/",
            "-verbosity=0",
            "-print_final_stats=1",
        ]
        atheris.Setup([name, *options, str(corpus)], reporting(name, TARGETS[name]), enable_python_coverage=True)
        atheris.Fuzz()  # ends the process
    return 0


def told_growth(seconds: float, seed: int) -> int:
    """Search for readers whose time grows faster than the text, which random input would not show."""
    from .growth import growth

    faults, count = growth(seconds, seed)
    print(f"growth: {count} inputs by chance (seed {seed})")
    print("\n".join(faults), file=sys.stderr)
    return 1 if faults else 0


def escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def reporting(name: str, target: Callable[[bytes], None]) -> Callable[[bytes], None]:
    def fed(data: bytes) -> None:
        try:
            target(data)
        except BaseException:
            print(f"{name} broke on {data!r}", file=sys.stderr, flush=True)
            raise

    return fed


def by_chance(name: str, seconds: float, count: int, seed: int) -> int:
    from .seeds import WORDS, seeds_of
    from .targets import TARGETS

    seeds, target = seeds_of(name), reporting(name, TARGETS[name])
    chance, ends, fed = random.Random(seed), time.monotonic() + seconds, 0
    for seed_input in seeds:
        target(seed_input)
    while fed < count if count else time.monotonic() < ends:
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(0, 6)):
            at = chance.randint(0, len(data))
            put = chance.choice(
                [chance.randbytes(chance.randint(0, 3)), chance.choice(WORDS), bytes(data[at : at + 40])]
            )
            data[at : at + chance.choice([0, 0, 1, 8, 200])] = put
        for _ in range(chance.choice([0, 0, 1, 3]) if data else 0):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        if not chance.randrange(5):
            del data[chance.randint(0, len(data)) :]
        target(bytes(data))
        fed += 1
    print(f"{name}: {fed} inputs by chance (seed {seed})")
    return 0


with contextlib.suppress(KeyboardInterrupt):
    sys.exit(main())
