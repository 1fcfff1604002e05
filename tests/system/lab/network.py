"""Network namespaces with links between them, all gone at the end."""

import contextlib
import ctypes
import os
import pathlib
import re
import shutil
import signal
import socket
import tempfile

from .program import Program, run

CLONE_NEWNET = 0x40000000
# A partial checksum or a 64 KB super-packet of the kernel's never becomes whole on a DPDK port.
OFFLOADS = "tx off tso off gso off tx-udp-segmentation off".split()

_libc = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """One network namespace. `name` is what the test calls it, `full_name` what the kernel does."""

    def __init__(self, lab, name):
        self.lab, self.name, self.full_name = lab, name, f"{lab.prefix}-{name}"
        run(["ip", "netns", "add", self.full_name])
        self.run("ip", "link", "set", "lo", "up")
        # Addresses are usable at once: nobody else is here to have taken them.
        self.sysctl("net.ipv6.conf.default.accept_dad", 0)
        self.sysctl("net.ipv6.conf.all.accept_dad", 0)
        self.sysctl("net.ipv6.conf.default.accept_ra", 0)

    def prefix(self):
        return ["ip", "netns", "exec", self.full_name]

    def run(self, *argv, **options):
        return run([*self.prefix(), *argv], **options)

    def start(self, *argv, **options):
        """A program beside the test, ended with the lab at the latest."""
        return self.lab.keep(Program([*self.prefix(), *argv], **options))

    def ip(self, *argv, **options):
        return run(["ip", "-n", self.full_name, *argv], **options)

    def sysctl(self, key, value):
        self.run("sysctl", "-qw", f"{key}={value}")

    def address(self, interface, *addresses):
        for each in addresses:
            nodad = ["nodad"] if ":" in each else []
            self.ip("address", "add", each, "dev", interface, *nodad)

    def route(self, destination, via):
        self.ip("route", "add", destination, "via", via)

    def etc(self, name, text):
        """Gives programs started in here from now on an /etc/NAME of their own; again to change what is in it."""
        file = pathlib.Path("/etc/netns", self.full_name, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def forward(self):
        self.sysctl("net.ipv4.ip_forward", 1)
        self.sysctl("net.ipv6.conf.all.forwarding", 1)

    def link_address(self, interface):
        return re.search(r"link/ether (\S+)", self.ip("link", "show", "dev", interface).stdout)[1]

    def interfaces(self):
        listing = self.ip("-o", "link", "show").stdout
        return {re.split(r"[:@ ]+", line)[1] for line in listing.splitlines()}

    def socket(self, family, kind, protocol=0):
        """A socket that lives in this namespace, used from here."""
        with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{self.full_name}") as away:
            if _libc.setns(away.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), f"setns to {self.full_name}")
            try:
                made = socket.socket(family, kind, protocol)
            finally:
                _libc.setns(home.fileno(), CLONE_NEWNET)
        return self.lab.keep_open(made)

    def remove(self):
        for pid in run(["ip", "netns", "pids", self.full_name], check=False).stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        run(["ip", "netns", "del", self.full_name], check=False)
        shutil.rmtree(f"/etc/netns/{self.full_name}", ignore_errors=True)


class Lab:
    """All namespaces, programs and files of one run. Leaving it removes them, whatever happened."""

    def __init__(self, name="test"):
        sweep()
        self.prefix = f"culvert-{os.getpid()}-{name}"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{self.prefix}-"))
        self.namespaces, self._programs, self._open = [], [], []

    def namespace(self, name):
        made = Namespace(self, name)
        self.namespaces.append(made)
        return made

    def link(self, one, one_interface, other, other_interface, *, mtu=1500, plain=False):
        """A veth pair. `plain`: frames leave it as they would leave a real card, for DPDK to receive at either end."""
        run(["ip", "-n", one.full_name, "link", "add", one_interface, "mtu", mtu, "numrxqueues", 1, "numtxqueues", 1,
             "type", "veth", "peer", "name", other_interface, "mtu", mtu, "numrxqueues", 1, "numtxqueues", 1,
             "netns", other.full_name])
        for namespace, interface in ((one, one_interface), (other, other_interface)):
            if plain:
                namespace.run("ethtool", "-K", interface, *OFFLOADS)
            namespace.ip("link", "set", interface, "up")

    def keep(self, program):
        self._programs.append(program)
        return program

    def keep_open(self, closable):
        self._open.append(closable)
        return closable

    def close(self):
        """Once begun it is finished: a second Ctrl-C has to wait."""
        former = [(each, signal.signal(each, signal.SIG_IGN)) for each in (signal.SIGINT, signal.SIGTERM)]
        for closable in reversed(self._open):
            with contextlib.suppress(OSError):
                closable.close()
        for program in reversed(self._programs):
            program.stop(deadline=3)
            program.discard()
        for namespace in reversed(self.namespaces):
            namespace.remove()
        shutil.rmtree(self.folder, ignore_errors=True)
        for each, handler in former:
            signal.signal(each, handler)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def sweep():
    """Removes what a run that was killed outright has left."""
    for entry in pathlib.Path("/run/netns").glob("culvert-*"):
        owner = re.match(r"culvert-(\d+)-", entry.name)
        if owner and not pathlib.Path("/proc", owner[1]).exists():
            for pid in run(["ip", "netns", "pids", entry.name], check=False).stdout.split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            run(["ip", "netns", "del", entry.name], check=False)
