"""Networks that lose, duplicate and reorder."""

import pathlib
import sys

from lab import traffic
from lab.waiting import wait_for

RELAY = pathlib.Path(__file__).parent / "lab" / "udp_relay.py"


def lose(internet, percent):
    internet.run("nft", "-f", "-", stdin=f"""
        table inet loss {{ chain forward {{ type filter hook forward priority 0;
            meta l4proto udp numgen random mod 100 < {percent} drop;
        }}
        }}""")


def test_one_percent_lost(tunnel):
    sites = tunnel()
    a, b = sites["a"], sites["b"]
    sites.wait_until_reached(a, b)
    lose(sites.internet, 1)
    result = a.ping(b, count=500, interval=0.002)
    assert 0 < result.lost < 50
    traffic.iperf3_server(b.host, b.host_v4)
    assert traffic.iperf3(a.host, b.host_v4, seconds=2).gbps > 0.002
    assert len(a.gateway.peer_status("b")["sessions"]) == 1  # loss ends no session


def test_a_third_lost_during_handshakes(make_sites):
    sites = make_sites("ab").introduce()
    lose(sites.internet, 33)
    sites.start(up=False)
    sites.wait_until_up(deadline=60)
    wait_for("a ping", lambda: sites["a"].reaches(sites["b"]))


def relayed(make_sites, duplicate, reorder):
    sites = make_sites("ab")
    a, b = sites["a"], sites["b"]
    a.knows(b, endpoint="198.51.1.254:5000")
    b.knows(a)
    relay = sites.internet.start(sys.executable, RELAY, "198.51.1.254:5000", b.outer(4), duplicate, reorder)
    wait_for("the relay", lambda: "relaying" in relay.output())
    return sites.start()


def test_duplicated(make_sites):
    """Each datagram may come twice, each inner packet comes once."""
    sites = relayed(make_sites, 0.3, 0)
    a, b = sites["a"], sites["b"]
    sites.wait_until_reached(a, b)
    before = b.gateway.drops()["replayed"]
    result = a.ping(b, count=300, interval=0.002)
    assert result.lost == 0 and "duplicates" not in result.output
    assert b.gateway.drops()["replayed"] > before + 20
    assert a.gateway.drops()["replayed"] > 20


def test_reordered(make_sites):
    """Nothing is lost within the replay window."""
    sites = relayed(make_sites, 0.1, 0.2)
    a, b = sites["a"], sites["b"]
    sites.wait_until_reached(a, b)
    result = a.ping(b, count=300, interval=0.002)
    assert result.lost == 0 and "duplicates" not in result.output
    traffic.iperf3_server(b.host, b.host_v4)
    assert traffic.iperf3(a.host, b.host_v4, seconds=2).gbps > 0.001
