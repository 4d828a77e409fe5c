"""What this process may use of its machine: cores and memory, a container's limits included."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["available_memory_bytes", "usable_cores"]

_ROOT = Path("/")


def usable_cores(root: Path = _ROOT) -> int:
    """Return how many cores this process may use, at least 1: its affinity, cut to the quota of its container."""
    affinity = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    quota, period = _cpu_quota(root)
    if quota is None or not period:
        return max(1, affinity)
    return max(1, min(affinity, quota // period))


def available_memory_bytes(root: Path = _ROOT) -> int | None:
    """Return the bytes that can still be taken without swapping; None if the system does not say (not Linux).

    The kernel's own estimate, which counts the page cache as free, cut to what a container's limit leaves.
    """
    free = _meminfo(root / "proc/meminfo")
    limits = [free] if free is not None else []
    group = root / "sys/fs/cgroup"
    for limit_file, used_file, stat_file in (
        (group / "memory.max", group / "memory.current", group / "memory.stat"),
        (
            group / "memory/memory.limit_in_bytes",
            group / "memory/memory.usage_in_bytes",
            group / "memory/memory.stat",
        ),
    ):
        limit, used = _number(limit_file), _number(used_file)
        if limit is not None and used is not None:
            limits.append(max(0, limit - used + _page_cache(stat_file)))
    return min(limits) if limits else None


def _cpu_quota(root: Path) -> tuple[int | None, int | None]:
    """Microseconds of processor time in a period; None if there is no limit. Version 2 of cgroups, then 1."""
    words = _text(root / "sys/fs/cgroup/cpu.max").split()
    if len(words) == 2:
        return (int(words[0]) if words[0].isdigit() else None, int(words[1]))
    folder = root / "sys/fs/cgroup/cpu"
    return _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")


def _meminfo(path: Path) -> int | None:
    for line in _text(path).splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) * 1024
    return None


def _page_cache(path: Path) -> int:
    """Bytes of files that the container's usage counts, although the kernel gives them up when they are needed."""
    for line in _text(path).splitlines():
        name, _, value = line.partition(" ")
        if name in ("inactive_file", "total_inactive_file") and value.isdigit():
            return int(value)
    return 0


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdigit() else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
