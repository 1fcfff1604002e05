"""A gateway whose address changes under traffic keeps its sessions."""

from lab import traffic
from lab.waiting import wait_for

# Stateless, in the router: from now on site a appears to the world under another address and port.
REBIND = """
table ip rebind {
    chain out { type filter hook prerouting priority -300;
        iif "to-a" udp dport 4433 ip saddr 198.51.1.1 ip saddr set 198.51.1.77 udp sport set 40404;
    }
    chain back { type filter hook prerouting priority -299;
        ip daddr 198.51.1.77 udp dport 40404 ip daddr set 198.51.1.1 udp dport set %d;
    }
}
"""


def test_a_nat_rebinds(tunnel):
    sites = tunnel()
    a, b = sites["a"], sites["b"]
    sites.wait_until_reached(a, b)
    before = b.gateway.sessions("a")[0]
    port = int(before["remote"].rsplit(":", 1)[1])
    pings = traffic.Ping(a.host, b.host_v4)
    wait_for("traffic", lambda: b.gateway.sessions("a")[0]["rx_packets"] > before["rx_packets"] + 20)
    sites.internet.run("nft", "-f", "-", stdin=REBIND % port)
    wait_for("b to follow", lambda: b.gateway.sessions("a")[0]["remote"] == "198.51.1.77:40404")
    moved = b.gateway.sessions("a")[0]["rx_packets"]
    wait_for("traffic from there", lambda: b.gateway.sessions("a")[0]["rx_packets"] > moved + 50)
    result = pings.stop()
    assert result.lost <= 2  # what was on its way
    after = b.gateway.sessions("a")[0]
    assert after["index"] == before["index"] and after["generation"] == before["generation"]
    assert len(b.gateway.peer_status("a")["sessions"]) == 1


def test_an_address_changes(tunnel):
    """a's interface gets another address and loses the one the session began with."""
    sites = tunnel()
    a, b = sites["a"], sites["b"]
    a.namespace.sysctl("net.ipv4.conf.out0.promote_secondaries", 1)
    sites.wait_until_reached(a, b)
    before = b.gateway.sessions("a")[0]
    pings = traffic.Ping(b.host, a.host_v4)
    a.namespace.address("out0", "198.51.1.7/24")
    a.namespace.ip("address", "del", f"{a.outer_v4}/24", "dev", "out0")
    a.namespace.ip("route", "replace", "default", "via", "198.51.1.254")
    wait_for("b to follow", lambda: b.gateway.sessions("a")[0]["remote"].startswith("198.51.1.7:"))
    moved = b.gateway.sessions("a")[0]["rx_packets"]
    wait_for("traffic from there", lambda: b.gateway.sessions("a")[0]["rx_packets"] > moved + 50)
    result = pings.stop()
    assert b.gateway.sessions("a")[0]["index"] == before["index"]
    assert result.received > result.sent * 0.5
    assert a.ping(b, count=20).lost == 0
