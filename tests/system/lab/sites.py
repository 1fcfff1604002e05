"""Gateways with an inner host behind each, and an outer network between them.

Site n has the inner networks 10.n.0.0/16 and fd00:n::/32, a host 10.n.0.2 and fd00:n::2, and the outer addresses
198.51.n.1 and 2001:db8:n::1 behind a router, the namespace "internet" (or, `direct`, one wire to the other site)."""

from .gateway import Binaries, Gateway
from .waiting import wait_for
from . import traffic

WIRE = "out0"  # the outer interface of each gateway
KERNEL_PORT = "wan0"  # what stands for it in the kernel where DPDK owns it
# To the gateway this is a device like any other that isn't the kernel's.
VDEV = f"net_af_packet0,iface={WIRE},blocksz=65536,framesz=2048,framecnt=2048,qdisc_bypass=1"


class Site:
    def __init__(self, lab, binaries, letter, *, host=True):
        self.lab, self.letter, self.number = lab, letter, ord(letter) - ord("a") + 1
        n = self.number
        self.prefixes = [f"10.{n}.0.0/16", f"fd00:{n}::/32"]
        self.host_v4, self.host_v6 = f"10.{n}.0.2", f"fd00:{n}::2"
        self.inner_v4, self.inner_v6 = f"10.{n}.1.1", f"fd00:{n}:1::1"
        self.outer_v4, self.outer_v6 = f"198.51.{n}.1", f"2001:db8:{n}::1"
        self.namespace = lab.namespace(f"gw-{letter}")
        self.namespace.forward()
        self.host = None
        if host:
            self._add_host()
        self.gateway = Gateway(binaries, self.namespace, letter)
        self.gateway.sections["tun"] = [{"name": "cv0", "address": [f"{self.inner_v4}/24", f"{self.inner_v6}/64"]}]

    def _add_host(self):
        n = self.number
        self.host = self.lab.namespace(f"host-{self.letter}")
        self.lab.link(self.namespace, "lan0", self.host, "eth0")
        self.namespace.address("lan0", f"10.{n}.0.1/24", f"fd00:{n}::1/64")
        self.host.address("eth0", f"{self.host_v4}/24", f"{self.host_v6}/64")
        self.host.route("default", f"10.{n}.0.1")
        self.host.route("default", f"fd00:{n}::1")

    def outer(self, family):
        return f"{self.outer_v4}:4433" if family == 4 else f"[{self.outer_v6}]:4433"

    def share_wire(self, **settings):
        """The default: the interface stays the kernel's, and the gateway takes only tunnel traffic."""
        self.gateway.sections["port"] = [{"device": f"kernel:{WIRE}", **settings}]

    def own_wire(self, device=VDEV, **settings):
        """The interface is taken from the kernel, as a card that DPDK owns would be; the kernel has KERNEL_PORT
        instead, and a default route through it once connect_kernel_port() has been called."""
        self.namespace.ip("address", "flush", "dev", WIRE)
        self.namespace.sysctl(f"net.ipv6.conf.{WIRE}.disable_ipv6", 1)
        if device == VDEV:  # whose sockets get copies
            self.namespace.run("nft", "-f", "-", stdin=f"""
                table netdev apart {{ chain in {{ type filter hook ingress device {WIRE} priority 0; drop; }}
                }}""")
        self.gateway.sections["port"] = [{
            "device": device, "kernel_port": KERNEL_PORT,
            "address": [f"{self.outer_v4}/24", f"{self.outer_v6}/64"], **settings}]

    def connect_kernel_port(self):
        for gateway in (f"198.51.{self.number}.254", f"2001:db8:{self.number}::fe"):
            self.namespace.ip("route", "replace", "default", "via", gateway, "dev", KERNEL_PORT)

    def knows(self, other, *, endpoint=None, **settings):
        """Makes `other` a peer of this site. `endpoint`: None leaves it to the other to call."""
        peer = {"name": other.letter, "pin": other.gateway.keys.pin, "prefixes": other.prefixes,
                "endpoint": endpoint, **settings}
        if "psk_file" in settings:
            del peer["pin"]
        self.gateway.sections["peer"].append(peer)
        return peer

    def ping(self, other, family=4, **options):
        return traffic.ping(self.host, other.host_v4 if family == 4 else other.host_v6, **options)

    def reaches(self, other, family=4):
        return self.ping(other, family, count=1).received == 1


class Sites:
    """Sites "a", "b", … joined by a router, or two of them by one wire."""

    def __init__(self, lab, build, letters="ab", *, direct=False, hosts=True):
        self.lab, self.binaries = lab, Binaries(build)
        self.all = [Site(lab, self.binaries, letter, host=hosts) for letter in letters]
        self.internet = None
        if direct:
            self._join_by_wire(*self.all)
        else:
            self._join_by_router()
        for site in self.all:
            site.share_wire()

    def _join_by_wire(self, one, other):
        self.lab.link(one.namespace, WIRE, other.namespace, WIRE, plain=True)
        for site, far in ((one, other), (other, one)):
            site.namespace.address(WIRE, f"{site.outer_v4}/32", f"{site.outer_v6}/128")
            for address in (f"{far.outer_v4}/32", f"{far.outer_v6}/128"):
                site.namespace.ip("route", "add", address, "dev", WIRE)

    def _join_by_router(self):
        self.internet = self.lab.namespace("internet")
        self.internet.forward()
        for site in self.all:
            self.add_to_internet(site)

    def add_to_internet(self, site):
        n = site.number
        self.lab.link(site.namespace, WIRE, self.internet, f"to-{site.letter}", plain=True)
        self.internet.address(f"to-{site.letter}", f"198.51.{n}.254/24", f"2001:db8:{n}::fe/64")
        site.namespace.address(WIRE, f"{site.outer_v4}/24", f"{site.outer_v6}/64")
        site.namespace.route("default", f"198.51.{n}.254")
        site.namespace.route("default", f"2001:db8:{n}::fe")

    def __iter__(self):
        return iter(self.all)

    def __getitem__(self, letter):
        return next(site for site in self.all if site.letter == letter)

    def introduce(self, family=4, **settings):
        """The usual case: each knows each by pin, and the earlier calls the later."""
        for i, caller in enumerate(self.all):
            for called in self.all[i + 1:]:
                caller.knows(called, endpoint=called.outer(family), **settings)
                called.knows(caller, **settings)
        return self

    def start(self, up=True):
        for site in self.all:
            site.gateway.start(wait=False)
        for site in self.all:
            site.gateway.wait_until_serving()
        if up:
            self.wait_until_up()
        return self

    def wait_until_up(self, deadline=15):
        for site in self.all:
            site.gateway.wait_until_up(deadline=deadline)

    def wait_until_reached(self, one, other, family=4, deadline=10):
        wait_for(f"a ping from {one.letter} to {other.letter}", lambda: one.reaches(other, family), deadline)

    def stop(self):
        """Ends all that still run, each of which has to end well."""
        for site in self.all:
            if site.gateway.running:
                site.gateway.stop()
