"""What stress-ng tells of its options: in its log the stressors, how many of each and how long they
run, and of some the method; in its metrics alone the stressors' names."""

from __future__ import annotations

import re

from harness.importing.stated import Given, Stated

_LINE = re.compile(r"^.*?stress-ng: +\w+: +(?:\[\d+\] +)?(.*)$|^(.*)$", re.MULTILINE)
_HOGS = re.compile(r"dispatching hogs: *(\d.*)")
_RUN = re.compile(r"(?:setting|defaulting) to an? (.*?)(?: \(.*\))? run per stressor")
_METHOD = re.compile(
    r"(?P<of>[\w-]+)(?: +[\d.]+ .*\((?P<ran>[\w -]+) method\)|: .*\bmethod '(?P<use>[^']+)')"
)
_YAML = re.compile(r"^ *- +stressor: *'?([\w-]+)", re.MULTILINE)
_TIME = re.compile(r"([\d.]+) (sec|min|hour|day|year)")
_SECONDS = {"sec": 1, "min": 60, "hour": 3600, "day": 86400, "year": 365 * 86400}


def read(stdout: str, stderr: str) -> Stated:
    """The options of one execution, from both of its streams."""
    text = f"{stderr}\n{stdout}"
    given: dict[str, Given] = {}
    for line in (found[1] or found[2] or "" for found in _LINE.finditer(text)):
        if hogs := _HOGS.match(line):
            given["stressors"] = Given(hogs[1].strip(), ", ".join(_parts(hogs[1])))
            names = sorted({each.split()[-1] for each in _parts(hogs[1])})
            given["names of stressors"] = Given(", ".join(names), ", ".join(names))
        elif run := _RUN.match(line):
            given["time of a run"] = Given(run[1], _seconds(run[1]))
        elif method := _METHOD.match(line):
            said = method["ran"] or method["use"]
            given[f"method of {method['of']}"] = Given(said, said)
    if "stressors" in given:
        return Stated("log", given)
    if names := sorted(set(_YAML.findall(text))):
        given["names of stressors"] = Given(", ".join(names), ", ".join(names))
    return Stated("metrics", given) if given else Stated()


def _parts(hogs: str) -> list[str]:
    """`2 cpu, 1 pipe`, in one order."""
    return sorted(each.strip() for each in hogs.split(",") if each.strip())


def _seconds(said: str) -> str:
    """The time in seconds; `1 min, 30 secs` as other versions write 90."""
    found = [float(number) * _SECONDS[unit] for number, unit in _TIME.findall(said)]
    return f"{sum(found):g} s" if found else said
