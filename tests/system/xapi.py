"""A stand-in for XAPI, written after its documentation: what XenServer's real one would answer it
does not prove. It speaks XML-RPC and takes a disk over TLS, keeps the objects that are made, and
refuses what it does not know, so that the role's own steps can be walked through.
"""

from __future__ import annotations

import ssl
import subprocess
import threading
import xmlrpc.client
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

USER, PASSWORD = "root", "Right-1!"
GIB = 1 << 30

Record = dict[str, Any]


class FailureError(Exception):
    """What XAPI answers instead of a value."""


@dataclass
class Xapi:
    """Its objects by class and reference, and what was sent to it."""

    objects: dict[str, dict[str, Record]]
    port: int = 0
    fingerprint: str = ""
    calls: list[str] = field(default_factory=list)
    uploads: dict[str, bytes] = field(default_factory=dict)
    master: str = ""
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def call(self, method: str, params: tuple[Any, ...]) -> Any:
        kind, _, verb = method.partition(".")
        self.calls.append(method)
        if method == "session.login_with_password":
            if self.master:
                raise FailureError("HOST_IS_SLAVE", self.master)
            if params[:2] != (USER, PASSWORD):
                raise FailureError("SESSION_AUTHENTICATION_FAILED", params[0], "wrong")
            return "OpaqueRef:session"
        if params[0] != "OpaqueRef:session":
            raise FailureError("SESSION_INVALID", params[0])
        given = params[1:]
        if method == "session.logout":
            return ""
        special = getattr(self, f"_{kind}_{verb}", None)
        if special is not None:
            return special(*given)
        there = self.objects[kind]
        if verb == "get_all":
            return list(there)
        if verb == "get_all_records":
            return there
        if verb == "get_by_name_label":
            return [ref for ref, one in there.items() if one["name_label"] == given[0]]
        if verb == "create":
            return self._add(kind, dict(given[0]))
        if given[0] not in there:
            raise FailureError("HANDLE_INVALID", kind, given[0])
        if verb == "get_record":
            return there[given[0]]
        if verb == "destroy":
            del there[given[0]]
            return ""
        if verb.startswith("get_"):
            return there[given[0]][verb.removeprefix("get_")]
        raise FailureError("MESSAGE_METHOD_UNKNOWN", method)

    def _add(self, kind: str, record: Record) -> str:
        number = next(self.numbers)
        ref = f"OpaqueRef:{kind}-{number}"
        record["uuid"] = f"uuid-{number}"
        if kind == "VM":
            record |= {"power_state": "Halted", "VBDs": [], "resident_on": "OpaqueRef:NULL"}
        if kind == "VDI":
            record["VBDs"] = []
        if kind == "VBD":
            self.objects["VM"][record["VM"]]["VBDs"].append(ref)
            self.objects["VDI"][record["VDI"]]["VBDs"].append(ref)
        self.objects[kind][ref] = record
        return ref

    def _task_create(self, label: str, description: str) -> str:
        return self._add("task", {"name_label": label, "status": "pending", "error_info": []})

    def _VM_start_on(self, ref: str, host: str, paused: bool, force: bool) -> str:
        disks = [self.objects["VBD"][each]["VDI"] for each in self.objects["VM"][ref]["VBDs"]]
        if not any(disk in self.uploads for disk in disks):
            raise FailureError("BOOTLOADER_FAILED", ref, "nothing to boot")
        self.objects["VM"][ref] |= {"power_state": "Running", "resident_on": host}
        return ""

    def _VM_hard_shutdown(self, ref: str) -> str:
        self.objects["VM"][ref]["power_state"] = "Halted"
        return ""

    def _VM_destroy(self, ref: str) -> str:
        if self.objects["VM"][ref]["power_state"] != "Halted":
            raise FailureError("VM_BAD_POWER_STATE", ref, "halted", "running")
        for disk in self.objects["VM"].pop(ref)["VBDs"]:
            attached = self.objects["VBD"].pop(disk)
            self.objects["VDI"][attached["VDI"]]["VBDs"].remove(disk)
        return ""

    def _host_compute_free_memory(self, ref: str) -> str:
        return str(8 * GIB)


def one_host() -> dict[str, dict[str, Record]]:
    """A pool of one host, with a machine that is somebody's."""
    template = {"name_label": "Other install media", "is_a_template": True, "other_config": {}}
    template |= {"domain_type": "hvm", "VBDs": [], "power_state": "Halted", "affinity": ""}
    template |= {"resident_on": "OpaqueRef:NULL", "uuid": "uuid-template"}
    foreign = {**template, "name_label": "baremark-taken", "is_a_template": False}
    room = {"physical_size": str(100 * GIB), "physical_utilisation": str(10 * GIB)}
    version = {"product_brand": "XCP-ng", "product_version": "8.3.0"}
    return {
        "VM": {"OpaqueRef:template": template, "OpaqueRef:foreign": foreign},
        "VDI": {},
        "VBD": {},
        "VIF": {},
        "task": {},
        "host": {
            "OpaqueRef:host": {
                "name_label": "xcp",
                "cpu_info": {"cpu_count": "4"},
                "software_version": version,
            }
        },
        "SR": {"OpaqueRef:sr": {"name_label": "Local storage", **room}},
        "network": {"OpaqueRef:net": {"name_label": "Bench"}},
        "pool": {"OpaqueRef:pool": {"name_label": "", "default_SR": "OpaqueRef:sr"}},
    }


class _Handler(BaseHTTPRequestHandler):
    xapi: ClassVar[Xapi]

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        params, method = xmlrpc.client.loads(sent)
        assert method is not None
        try:
            answer: Record = {"Status": "Success", "Value": self.xapi.call(method, params)}
        except FailureError as failure:
            answer = {"Status": "Failure", "ErrorDescription": [str(each) for each in failure.args]}
        said = xmlrpc.client.dumps((answer,), methodresponse=True).encode()
        self._say(200, said)

    def do_PUT(self) -> None:
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        body = self.rfile.read(int(self.headers["Content-Length"]))
        known = query.get("vdi") in self.xapi.objects["VDI"]
        if url.path != "/import_raw_vdi" or not known or query.get("format") != "vhd":
            self._say(404, b"")
            return
        self.xapi.uploads[query["vdi"]] = body
        self.xapi.objects["task"][query["task_id"]]["status"] = "success"
        self._say(200, b"")

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "text/xml")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def running(folder: Path) -> Iterator[Xapi]:
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=xcp.lab.example"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    printed = subprocess.run(
        ["openssl", "x509", "-in", str(certificate), "-noout", "-fingerprint", "-sha256"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    xapi = Xapi(one_host(), fingerprint=printed.strip().partition("=")[2])
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"xapi": xapi}))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    xapi.port = server.server_port
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield xapi
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
