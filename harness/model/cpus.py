"""Lists of CPUs and of memory nodes, as people and kernels write them."""

from __future__ import annotations

import re

MOST_CPUS = 8192
"""More than a Linux kernel can be built for (x86); no larger number is ever counted up to."""


def cpu_list(value: object) -> tuple[int, ...]:
    """`0,2-3`, `[0, 2, 3]` or `0` as host CPU numbers. Raises `ValueError`."""
    if isinstance(value, bool):
        raise ValueError("must be host CPU numbers such as 0,2-3")
    if isinstance(value, int) and 0 <= value < MOST_CPUS:
        return (value,)
    if isinstance(value, list | tuple):
        return tuple(cpu for part in value for cpu in cpu_list(part))
    numbers: list[int] = []
    for part in str(value).split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if match is None:
            raise ValueError(f"must be host CPU numbers such as 0,2-3, is {value!r}")
        first, last = int(match[1]), int(match[2] or match[1])
        if first > last:
            raise ValueError(f"must be host CPU numbers, the smaller one first, is {value!r}")
        if last >= MOST_CPUS:
            raise ValueError(f"must be host CPU numbers below {MOST_CPUS}, is {value!r}")
        numbers += range(first, last + 1)
    return tuple(numbers)


def numbers(text: str | None) -> tuple[int, ...] | None:
    """The numbers of a list as the kernel and libvirt write it: `0-2,5` or `0-3,^2`."""
    if text is None:
        return None
    found: set[int] = set()
    without: set[int] = set()
    for part in text.split(","):
        name = part.strip()
        first, dash, last = name.removeprefix("^").partition("-")
        ends = (first, last if dash else first)
        if not all(end.isascii() and end.isdigit() for end in ends):
            return None
        of = without if name.startswith("^") else found
        of.update(range(int(ends[0]), int(ends[1]) + 1))
    return tuple(sorted(found - without)) or None
