"""A filter for the address of a libvirt: it is taken only with the host key that it must show.

libvirt itself heeds `known_hosts` only where it speaks SSH by a library of its own; for `qemu+ssh`
it starts ssh and leaves the key to whatever the user's settings say. So Baremark reads the
parameter, and has libvirt start an ssh that knows that one file and nothing else.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

PASSED_ON = ("keyfile", "socket", "proxy", "netcat", "mode")
"""Parameters that libvirt gets as they are."""
OWN = ("known_hosts", "known_hosts_verify", "no_verify", "no_tty")
EXAMPLE = "qemu+ssh://root@HOST/system?keyfile=/PATH&known_hosts=/PATH&known_hosts_verify=normal"


def baremark_libvirt_uri(text: str) -> dict[str, str]:
    """What an address says, or in `error` why it is not taken.

    `asked`: the address for virsh on the controller, to which the ssh is still to be added as
    `command`; `here`: the same libvirt as its own machine reaches it; `known_hosts`: the file
    with the pinned key; `name`: the machine as that file names it.
    """
    uri = urlsplit(text)
    said = parse_qsl(uri.query, keep_blank_values=True)
    parameters = dict(said)
    error = _error(text, uri.scheme, uri.path, said)
    try:
        host, port = uri.hostname or "", uri.port or 22
    except ValueError:
        host, port = "", 22
    if not error and not host:
        error = f"{text} names no machine"
    if error:
        return {"error": f"baremark_libvirt_uri: {error}"}
    kept = {name: parameters[name] for name in PASSED_ON if name in parameters}
    local = {"socket": kept["socket"]} if "socket" in kept else {}
    return {
        "error": "",
        "asked": urlunsplit(
            (uri.scheme, uri.netloc, uri.path, urlencode({**kept, "no_tty": "1"}, safe="/"), "")
        ),
        "here": urlunsplit(("qemu", "", "/system", urlencode(local, safe="/"), "")).replace(
            "qemu:/system", "qemu:///system"
        ),
        "known_hosts": parameters["known_hosts"],
        "name": host if port == 22 else f"[{host}]:{port}",
    }


def _error(text: str, scheme: str, path: str, said: list[tuple[str, str]]) -> str:
    parameters = dict(said)
    if scheme != "qemu+ssh":
        return f"{text} is not qemu+ssh, over which alone the host key is pinned: {EXAMPLE}"
    if path != "/system":
        return f"{text} must lead to /system: only root's libvirt joins guests to a bridge"
    if len(parameters) != len(said):
        return f"{text} says a parameter twice"
    if parameters.get("no_verify", "0") != "0":
        return (
            "no_verify would believe any machine that answers; leave it out and name the file "
            "with the host key: known_hosts=/PATH"
        )
    if parameters.get("known_hosts_verify", "normal") != "normal":
        return (
            f"known_hosts_verify={parameters['known_hosts_verify']} would take a host key at first "
            "sight; write known_hosts_verify=normal"
        )
    if "command" in parameters:
        return "command would take the place of the ssh that pins the host key; leave it out"
    if unknown := [name for name in parameters if name not in PASSED_ON + OWN]:
        return f"unknown parameter {unknown[0]}; there are: {', '.join(PASSED_ON + OWN[:2])}"
    if not parameters.get("known_hosts", "").startswith("/"):
        return f"known_hosts=/PATH is missing: the file with the host key. {EXAMPLE}"
    return ""


class FilterModule:
    def filters(self) -> dict[str, object]:
        return {"baremark_libvirt_uri": baremark_libvirt_uri}
