"""The job options that fio's JSON report lists, with what they mean. Early versions list none.

Every option counts but those of `_PASSING`. Defaults are those of fio's HOWTO and its table of
options. A value is compared by what it means: `bs=4k` is `bs=4096`, `time_based` is `time_based=1`.
"""

from __future__ import annotations

import re
from typing import Any

from harness.importing.stated import Given, Stated, documents, member

_PASSING = frozenset(
    (
        # names and places
        *("name", "description", "directory", "opendir", "filename_format", "unique_filename"),
        *("hostname", "port", "cgroup", "cgroup_nodelete", "uid", "gid", "replay_redirect"),
        *("merge_blktrace_file", "allow_file_create", "allow_mounted_write", "unlink"),
        # logs
        *("write_iolog", "per_job_logs", "bwavgtime", "iopsavgtime", "error_dump", "verify_dump"),
        "verify_state_save",
        # what is reported
        *("group_reporting", "new_group", "stats", "disk_util", "unified_rw_reporting"),
        *("clat_percentiles", "lat_percentiles", "slat_percentiles", "percentile_list"),
        *("significant_figures", "unit_base", "block_error_percentiles"),
        # which of many equally random sequences; whether each run has the same is `randrepeat`
        "randseed",
    )
)
_LOG = re.compile(r"write_\w+_log|log_\w+")

_ALIASES = {
    "readwrite": "rw",
    "blocksize": "bs",
    "blockalign": "ba",
    "blocksize_range": "bsrange",
    "blocksize_unaligned": "bs_unaligned",
    "io_limit": "io_size",
    "nr_files": "nrfiles",
    "iomem": "mem",
    "mem_align": "iomem_align",
    "ratemin": "rate_min",
    "ratecycle": "rate_cycle",
    "timeout": "runtime",
    "wait_for_previous": "stonewall",
    "iodepth_batch_submit": "iodepth_batch",
    "iodepth_batch_complete": "iodepth_batch_complete_min",
    "disable_bw": "disable_bw_measurement",
    "ss": "steadystate",
    "ss_dur": "steadystate_duration",
    "ss_ramp": "steadystate_ramp_time",
}
_INVERSE = {"buffered": ("direct", 1), "rwmixwrite": ("rwmixread", 100)}
"""Options that say what another does not: the two add up to the number."""

_OFF = (
    *("fsync", "fdatasync", "end_fsync", "fsync_on_close", "write_barrier", "direct", "atomic"),
    *("overwrite", "pre_read", "create_only", "create_on_open", "unlink_each_loop", "verify_fatal"),
    *("file_append", "fill_device", "fill_fs", "bs_is_seq_rand", "bs_unaligned", "norandommap"),
    *("softrandommap", "allrandrepeat", "time_based", "verify_only", "verify_async", "startdelay"),
    *("runtime", "ramp_time", "number_ios", "io_size", "offset", "offset_increment", "nice"),
    *("thinktime", "thinktime_spin", "thinktime_iotime", "rate_ignore_thinktime", "latency_run"),
    *("zonesize", "zonecapacity", "zonerange", "zoneskip", "read_beyond_wp", "max_open_zones"),
    *(
        "job_max_open_zones",
        "ignore_zone_limits",
        "fdp",
        "lockmem",
        "iomem_align",
        "trim_percentage",
    ),
    *("exitall", "exitall_on_error", "stonewall", "thread", "zero_buffers", "refill_buffers"),
    *("dedupe_global", "gtod_reduce", "disable_lat", "disable_clat", "disable_slat"),
    *("disable_bw_measurement", "flow", "flow_id", "flow_sleep", "replay_no_stall"),
    *("read_iolog_chunked", "steadystate_duration", "steadystate_ramp_time", "verify"),
    *("userspace_reap", "nowait", "hipri", "fixedbufs", "registerfiles", "sqthread_poll"),
    *("rate", "rate_min", "rate_iops", "rate_iops_min", "max_latency", "latency_target"),
    *("buffer_compress_percentage", "dedupe_percentage", "experimental_verify"),
)
_DEFAULTS = {
    **dict.fromkeys(_OFF, "0"),
    **dict.fromkeys(("numjobs", "iodepth", "iodepth_batch", "nrfiles", "loops"), "1"),
    **dict.fromkeys(("iodepth_batch_complete_min", "thinktime_blocks", "fadvise_hint"), "1"),
    **dict.fromkeys(("randrepeat", "invalidate", "scramble_buffers", "do_verify"), "1"),
    **dict.fromkeys(("create_serialize", "create_fsync", "trim_verify_zero", "replay_scale"), "1"),
    **dict.fromkeys(("sync", "zonemode", "continue_on_error", "lockfile", "write_hint"), "none"),
    "rw": "read",
    "bs": "4096",
    "ioengine": "psync",
    "mem": "malloc",
    "rwmixread": "50",
    "kb_base": "1024",
    "rate_process": "linear",
    "rate_cycle": "1000",
    "random_distribution": "random",
    "random_generator": "tausworthe",
    "percentage_random": "100",
    "file_service_type": "roundrobin",
    "fallocate": "native",
    "exit_what": "group",
    "cpus_allowed_policy": "shared",
    "latency_percentile": "100",
    "thinktime_blocks_type": "complete",
    "buffer_compress_chunk": "512",
    "dedupe_mode": "repeat",
    "dedupe_working_set_percentage": "5",
    "replay_time_scale": "100",
    "filename": "1",
}

_BY_DIRECTION = frozenset(
    (
        *("bs", "ba", "bsrange", "bssplit", "rate", "rate_min", "rate_iops", "rate_iops_min"),
        *("percentage_random", "max_latency"),
    )
)
"""One value for all, or one for reads, writes and trims each."""
_SIZES = frozenset(
    (
        *("bs", "ba", "bsrange", "bssplit", "rate", "rate_min", "size", "io_size", "filesize"),
        *("offset", "offset_increment", "zonesize", "zonecapacity", "zonerange", "zoneskip"),
        *("lockmem", "verify_interval", "verify_offset", "hugepage-size", "iomem_align"),
        *("buffer_compress_chunk", "number_ios", "iodepth"),
    )
)
_SECONDS = frozenset(
    (
        *("runtime", "ramp_time", "startdelay", "thinktime_iotime"),
        *("steadystate_duration", "steadystate_ramp_time"),
    )
)
_MICROSECONDS = frozenset(
    ("thinktime", "thinktime_spin", "max_latency", "latency_target", "latency_window")
)
_SPELT = {
    "sync": {"0": "none", "1": "sync"},
    "rw": {"readwrite": "rw"},
    "fallocate": {"0": "none", "1": "posix"},
    "continue_on_error": {"0": "none", "1": "all"},
    "file_service_type": {"gauss": "normal"},
}

_SIZE = re.compile(r"(?<![\w.])(\d+)([kmgtp])(i?)b?(?![\w.])", re.IGNORECASE)
_POWER = {sign: power for power, sign in enumerate("kmgtp", 1)}
_TIME = re.compile(r"(\d+)(us|usec|ms|msec|s|m|h|d)?", re.IGNORECASE)
_US = {"us": 1, "usec": 1, "ms": 1000, "msec": 1000, "s": 10**6}
_US |= {"m": 60 * 10**6, "h": 3600 * 10**6, "d": 86400 * 10**6}
_SEVERAL_FILES = re.compile(r"(?<!\\):")


def read(stdout: str, _: str) -> Stated:
    """The options of every job in the report, global ones included."""
    for document in documents(stdout):
        jobs = _jobs(document)
        if jobs and any("job options" in job for job in jobs):
            return _stated(jobs, member(document, "global options"))
    return Stated()


def _jobs(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The jobs of a report, or of a client's of its servers (with their sum, which is none)."""
    listed = document.get("jobs") or document.get("client_stats")
    found = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    return [each for each in found if each.get("jobname") != "All clients"]


def _stated(jobs: list[dict[str, Any]], common: dict[str, Any]) -> Stated:
    given = {"number of jobs": Given(str(len(jobs)), str(len(jobs)))}
    defaults: dict[str, Given] = {}
    for at, job in enumerate(jobs):
        prefix = f"jobs[{at}] " if len(jobs) > 1 else ""
        defaults |= {
            f"{prefix}{name}": Given(text, _means(name, text)) for name, text in _DEFAULTS.items()
        }
        for name, value in {**common, **member(job, "job options")}.items():
            own, found = _given(name, str(value))
            if own in _PASSING or _LOG.fullmatch(own) or (own == "stonewall" and len(jobs) == 1):
                continue
            given[f"{prefix}{own}"] = found
    return Stated("a list of job options", given, defaults)


def _given(name: str, text: str) -> tuple[str, Given]:
    """The option's own name, and its value."""
    if name in _INVERSE and text.isdecimal():
        other, whole = _INVERSE[name]
        value = str(whole - int(text))
        return other, Given(f"{value} ({name}={text})", value)
    own = _ALIASES.get(name, name)
    if own == "filename":
        return own, Given(text, str(len(_SEVERAL_FILES.split(text))))
    return own, Given(text or "given", _means(own, text))


def _means(name: str, text: str) -> str:
    """One spelling for every value that is the same to fio; a flag without a value is 1."""
    value = _SPELT.get(name, {}).get(text.strip(), text.strip()) or "1"
    if name in _BY_DIRECTION:
        parts = value.split(",")
        parts = (parts + [parts[-1]] * 2)[:3]
        return ",".join(_one(name, part or _DEFAULTS.get(name, "")) for part in parts)
    return _one(name, value)


def _one(name: str, value: str) -> str:
    if name in _SIZES:
        return _SIZE.sub(_bytes, value)
    if name in _SECONDS | _MICROSECONDS and (time := _TIME.fullmatch(value)):
        unit = (time[2] or ("s" if name in _SECONDS else "us")).lower()
        return str(int(time[1]) * _US[unit])
    return value


def _bytes(size: re.Match[str]) -> str:
    """`k` is 1024, and `Ki` 1000: so fio has it unless kb_base says otherwise."""
    base = 1000 if size[3] else 1024
    return str(int(size[1]) * base ** _POWER[size[2].lower()])
