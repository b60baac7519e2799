"""How much CPU may this process use, and how much of that is idle? In a container less than the machine has."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dregsy_queue.clock import SYSTEM, Clock

#: Where a container sees its own limits (cgroups(7)).
CGROUP = Path("/sys/fs/cgroup")

#: Seconds of all cores so far: idle ones, and all of them; None: nobody tells.
CoreTime = Callable[[], tuple[float, float] | None]


@dataclass(frozen=True)
class Cores:
    #: may be a fraction
    number: float
    times: CoreTime


def usable_cores(cgroup: Path = CGROUP, clock: Clock = SYSTEM) -> Cores:
    """The cores of this process, or as much time of theirs as its container gets."""
    cores, limit = len(os.sched_getaffinity(0)), _limit(cgroup)
    if limit is None or limit >= cores:
        return Cores(cores, machine_time)
    return Cores(limit, lambda: _container_time(cgroup, limit, clock))


def _limit(cgroup: Path) -> float | None:
    """Source: Linux, Documentation/admin-guide/cgroup-v2.rst, "cpu.max"; scheduler/sched-bwc.rst for version 1."""
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            quota, period = " ".join((cgroup / name).read_text() for name in names).split()
            # "max", or -1 in version 1: no limit
            return int(quota) / int(period) if quota != "max" and int(quota) > 0 else None
        except (OSError, ValueError, ZeroDivisionError):
            continue
    return None


def machine_time() -> tuple[float, float] | None:
    """Source: proc_stat(5): user, nice, system, idle, iowait, …, in ticks."""
    try:
        ticks = [float(tick) for tick in Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]]
        return ticks[3] + ticks[4], sum(ticks)
    except (OSError, ValueError, IndexError):
        return None


def _container_time(cgroup: Path, limit: float, clock: Clock) -> tuple[float, float] | None:
    """Idle is what the container did not use of its time, however idle the machine is."""
    used = _used(cgroup)
    whole = limit * clock.monotonic()
    return None if used is None else (whole - used, whole)


def _used(cgroup: Path) -> float | None:
    """Seconds; from ``usage_usec`` of cpu.stat, or cpuacct.usage (in ns) of version 1."""
    try:
        if (cgroup / "cpu.stat").exists():
            fields = dict(line.split() for line in (cgroup / "cpu.stat").read_text().splitlines())
            return int(fields["usage_usec"]) / 1e6
        return int((cgroup / "cpuacct/cpuacct.usage").read_text()) / 1e9
    except (OSError, ValueError, KeyError):
        return None
