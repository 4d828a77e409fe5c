"""The cores and the memory that this process may use, within the limits of a container."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["available_memory_bytes", "usable_cores"]

_ROOT = Path("/")


def usable_cores(root: Path = _ROOT) -> int:
    """Return how many cores this process may use, at least 1: its affinity, limited by its container's quota."""
    affinity = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    quota, period = _cpu_quota(root)
    if quota is None or not period:
        return max(1, affinity)
    return max(1, min(affinity, quota // period))


def available_memory_bytes(root: Path = _ROOT) -> int | None:
    """Return how many bytes can be allocated without swapping; None if the system does not say (not Linux).

    It is the kernel's estimate, which counts the page cache as free, limited by what a container's limit leaves.
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
    """Return the microseconds of processor time per period; None without a limit. Reads cgroups version 2, then 1."""
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
    """Return the page cache in the container's usage, which the kernel frees if memory is needed."""
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
