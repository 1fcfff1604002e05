"""A culvertd in a namespace: its configuration, its life, and what it says of itself."""

import base64
import http.client
import json
import os
import pathlib
import re
import signal
import socket

from .program import Failed, Program, run
from .toml_text import toml_text
from .waiting import TimedOut, wait_for


class Binaries:
    """Where the two programs are."""

    def __init__(self, build):
        self.folder = pathlib.Path(build)
        self.culvertd = self.folder / "culvertd"
        self.culvertctl = self.folder / "culvertctl"


class Keys:
    """A gateway's certificate, its key and its pin, by `culvertctl keygen`."""

    def __init__(self, binaries, folder, name):
        self.certificate, self.private_key = folder / f"{name}.crt", folder / f"{name}.key"
        for former in (self.certificate, self.private_key):  # keygen overwrites nothing
            former.unlink(missing_ok=True)
        said = run([binaries.culvertctl, "keygen", folder / name]).stdout
        self.pin = re.search(r"pin-sha256:[A-Za-z0-9+/]{43}=", said)[0]


def nobodys_pin():
    """A pin whose key does not exist."""
    return "pin-sha256:" + base64.b64encode(os.urandom(32)).decode()


def write_psk(binaries, file):
    run([binaries.culvertctl, "keygen", "--psk", file])
    return file


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=10)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Gateway:
    """`sections` is the configuration, as toml_text() takes it; change it before start() or before reload()."""

    def __init__(self, binaries, namespace, name):
        self.binaries, self.namespace, self.name = binaries, namespace, name
        self.folder = namespace.lab.folder / name
        self.folder.mkdir()
        self.file, self.socket = self.folder / f"{name}.toml", self.folder / "culvert.sock"
        self.keys = Keys(binaries, self.folder, name)
        self.log = self.folder / "culvertd.log"
        self.program = None
        self.sections = {
            "gateway": {"name": name, "certificate": self.keys.certificate, "private_key": self.keys.private_key},
            "control": {"socket": self.socket, "log_level": "debug"},
            # Small, and asleep when there is nothing to do: many of these share two cores.
            "dataplane": {"workers": [0], "engine": "auto", "idle": "event", "hugepages": False,
                          "packet_buffers": 8192, "max_sessions": 1024},
            "port": [],
            "tun": [],
            "listen": [{"format": "dtls", "port": 4433}],
            "peer": [],
        }

    # --- configuration

    def write(self):
        self.file.write_text(toml_text(self.sections))

    def peer(self, name):
        """The table of one [[peer]], to change it."""
        return next(peer for peer in self.sections["peer"] if peer["name"] == name)

    @property
    def tun_name(self):
        return self.sections["tun"][0]["name"]

    # --- life

    def start(self, wait=True):
        self.write()
        self.program = self.namespace.lab.keep(
            Program([*self.namespace.prefix(), self.binaries.culvertd, "--config", self.file], log=self.log))
        if wait:
            self.wait_until_serving()
        return self

    def wait_until_serving(self, deadline=20):
        def serving():
            if not self.program.running:
                raise Failed(f"{self.name} has ended with {self.program.process.returncode}")
            return self.socket.exists() and self.status()
        try:
            wait_for(f"{self.name} to serve", lambda: not self.program.running or serving(), deadline)
        except TimedOut as error:
            raise Failed(f"{error}\n{self.output()}") from None
        if not self.program.running:
            raise Failed(f"{self.name} ended with {self.program.process.returncode}:\n{self.output()}")

    def reload(self):
        """Has the configuration read again, as it now is in `sections`."""
        self.write()
        return self.control("reload")

    def stop(self):
        """Asks it to end; it has to do so cleanly, with its packets accounted for and nothing left behind."""
        self.assert_balanced()
        interfaces = {self.tun_name, *(port["kernel_port"] for port in self.sections["port"] if "kernel_port" in port)}
        code = self.program.stop(deadline=10)
        assert code == 0, f"{self.name} ended with {code}:\n{self.output()}"
        left = interfaces & self.namespace.interfaces()
        assert not left, f"{self.name} left {left} behind"
        assert not self.socket.exists(), f"{self.name} left its socket behind"
        routes = self.namespace.ip("route").stdout + self.namespace.ip("-6", "route").stdout
        assert not [line for line in routes.splitlines() if any(f"dev {each} " in line for each in interfaces)], routes

    def kill(self):
        self.program.kill()

    def restart(self):
        """Once more, after stop() or kill()."""
        return self.start()

    @property
    def running(self):
        return self.program is not None and self.program.running

    def output(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    # --- what it says

    def control(self, *argv, check=True):
        """culvertctl's run, with this gateway's socket."""
        return run([self.binaries.culvertctl, "--socket", self.socket, *argv], check=check)

    def get(self, resource):
        """What the API has under /v1/RESOURCE."""
        connection = UnixConnection(self.socket)
        try:
            connection.request("GET", f"/v1/{resource}")
            answer = connection.getresponse()
            body = answer.read().decode()
            if answer.status != 200:
                raise Failed(f"{self.name}'s API: {resource}: {answer.status} {body}")
            return json.loads(body)
        finally:
            connection.close()

    def status(self):
        return self.get("status")

    def show(self, what):
        """One of the API's lists: peers, sessions, ports, workers, routes."""
        return self.get(what)[what]

    def drops(self):
        return {row["reason"]: row["packets"] for row in self.show("drops")}

    def peer_status(self, name):
        return self.get(f"peers/{name}")

    def sessions(self, name, phase="active"):
        return [session for session in self.peer_status(name)["sessions"] if session["phase"] == phase]

    def balance(self):
        """The packet account of all workers together."""
        return self.get("balance")

    def wait_until_up(self, *names, deadline=15):
        for name in names or [peer["name"] for peer in self.sections["peer"]]:
            try:
                wait_for(f"{self.name}'s tunnel to {name}", lambda: self.peer_status(name)["state"] == "up", deadline)
            except TimedOut as error:
                raise Failed(f"{error}\n{self.output()}") from None

    def assert_balanced(self):
        """Every packet that came in or was made went out, was consumed, or is counted under a reason."""
        # The terms are not read at one instant, so packets on their way may be missing: not for long.
        wait_for(f"{self.name}'s packets to balance",
                 lambda: self.balance()["difference"] == 0 and self.balance()["in_flight"] == 0, deadline=5)

    def hang_up(self):
        self.program.process.send_signal(signal.SIGHUP)
