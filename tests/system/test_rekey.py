"""New keys under traffic, and not a packet lost."""

import pytest

from lab import traffic
from lab.waiting import wait_for


def generation(site, name):
    return max(session["generation"] for session in site.gateway.sessions(name))


def test_by_count_under_a_ping_flood(tunnel):
    sites = tunnel(rekey_packets=1000)
    a, b = sites["a"], sites["b"]
    sites.wait_until_reached(a, b)
    pings = [traffic.Ping(a.host, b.host_v4, interval=0.002), traffic.Ping(b.host, a.host_v6, interval=0.002)]
    wait_for("three new generations", lambda: generation(a, "b") >= 3 and generation(b, "a") >= 3, deadline=20)
    for result in [ping.stop() for ping in pings]:
        assert result.sent > 500
        assert result.lost == 0
    ports = {session["local"] for session in a.gateway.peer_status("b")["sessions"]}
    assert len(ports) == len(a.gateway.peer_status("b")["sessions"])  # each from a source port of its own


def generations(site, peer):
    """Of all lanes together: a single flow rekeys the one that it is on."""
    return sum(session["generation"] for session in site.gateway.sessions(peer))


@pytest.mark.xfail(reason="sometimes a datagram is lost while iperf3 and a rekey share two cores; docs/status.md", strict=False)
def test_under_iperf3(tunnel):
    sites = tunnel(rekey_packets=20_000, lanes=2)
    a, b = sites["a"], sites["b"]
    sites.wait_until_reached(a, b)
    traffic.iperf3_server(b.host, b.host_v4)
    unread = traffic.overflows(b.host)
    udp = traffic.iperf3(a.host, b.host_v4, seconds=3, udp=True, rate="100M", length=1200)
    assert generation(a, "b") >= 1
    assert udp.lost == traffic.overflows(b.host) - unread, f"of {udp.packets}"
    before = generations(a, "b")
    tcp = traffic.iperf3(a.host, b.host_v4, seconds=3)
    assert tcp.gbps > 0.05
    wait_for("the flow's lane to have a new key", lambda: generations(a, "b") > before)


def test_by_time(tunnel):
    sites = tunnel(rekey_time=5)
    a, b = sites["a"], sites["b"]
    sites.wait_until_reached(a, b)
    pings = traffic.Ping(a.host, b.host_v4, interval=0.01)
    wait_for("a new generation", lambda: generation(a, "b") >= 1 and generation(b, "a") >= 1, deadline=10)
    assert pings.stop().lost == 0
    wait_for("the first session to go", lambda: all(
        session["generation"] > 0 for session in a.gateway.peer_status("b")["sessions"]), deadline=10)
