"""Measures things that take turns, so that a busy moment of the machine hits all of them alike."""

import gc
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

SLICE = 0.05  # seconds one turn should take at least

Subject = Callable[[int], None]
"""Does what is measured as many times as it is told."""


@dataclass
class Samples:
    """What one subject took, in microseconds each time it was done: of wall and of this process's CPU time."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The median of the wall times."""
        return statistics.median(self.wall)

    @property
    def best(self) -> float:
        """The least of the wall times."""
        return min(self.wall)

    def ratio(self, other: "Samples") -> float:
        """Return how many times the other's wall time this is: the median of the rounds, each compared by itself."""
        return statistics.median(mine / theirs for mine, theirs in zip(self.wall, other.wall, strict=True))

    @property
    def least_cpu(self) -> float:
        """The least of the CPU times: the steadiest figure on a machine that others use, too."""
        return min(self.cpu)


def machine() -> str:
    """Say where this runs, and how busy it is besides: figures of a loaded machine are worth little."""
    busy = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} CPUs{busy}"


def repeated(do: Callable[[], Any]) -> Subject:
    """Return a subject that does the same so many times."""

    def several(times: int) -> None:
        for _ in range(times):
            do()

    return several


def take_turns(subjects: Mapping[str, Subject], *, rounds: int) -> dict[str, Samples]:
    """Let every subject have its turn in each of `rounds` rounds, after a turn to warm up."""
    times = {name: _times(subject) for name, subject in subjects.items()}
    samples = {name: Samples() for name in subjects}
    for _ in range(rounds):
        for name, subject in subjects.items():
            gc.collect()
            wall, cpu = _take(subject, times[name])
            samples[name].wall.append(wall / times[name] * 1e6)
            samples[name].cpu.append(cpu / times[name] * 1e6)
    return samples


def _times(subject: Subject) -> int:
    """Return how often a subject has to be done to fill a turn."""
    times = 1
    while (took := _take(subject, times)[0]) < SLICE / 2:
        times = max(times * 2, min(times * 20, int(times * SLICE / max(took, 1e-9))))
    return times


def _take(subject: Subject, times: int) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    subject(times)
    return time.perf_counter() - wall, time.process_time() - cpu
