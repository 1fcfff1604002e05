"""Three gateways: what goes from peer to peer never sees the middle one's kernel."""

from lab.capture import Capture
from lab.waiting import wait_for


def chain(make_sites):
    """a and c know only b, and reach each other's networks through it."""
    sites = make_sites("abc")
    a, b, c = sites
    for end, other in ((a, c), (c, a)):
        peer = end.knows(b, endpoint=b.outer(4))
        peer["prefixes"] = b.prefixes + other.prefixes
        b.knows(end)
    return sites.start()


def test_relay(make_sites):
    sites = chain(make_sites)
    a, b, c = sites
    sites.wait_until_reached(a, c)
    inside = Capture(b.namespace, "cv0")
    for family in (4, 6):
        assert a.ping(c, family, count=50, interval=0.005).lost == 0
        assert a.ping(b, family).lost == 0
    wait_for("the pings to b", lambda: len(inside.frames()) >= 6)
    # tcpdump on a TUN device captures bare IP packets.
    ends = {bytes(frame[12:20]) for frame in inside.stop().frames() if frame[0] >> 4 == 4}
    assert ends and all(bytes([10, 3]) not in (end[:2], end[4:6]) for end in ends)


def test_relay_counts_hops(make_sites):
    sites = chain(make_sites)
    a, _, c = sites
    sites.wait_until_reached(a, c)
    # gw-a's kernel, gw-b's worker and gw-c's kernel are routers on the way.
    assert "ttl=61" in a.ping(c, count=1).output
    assert "ttl=61" in a.ping(c, 6, count=1).output
    # With two hops to live, b's worker is where it ends, and b says so.
    answer = a.host.run("ping", "-n", "-c", 1, "-t", 2, "-W", 2, c.host_v4, check=False).stdout
    assert "Time to live exceeded" in answer
    answer = a.host.run("ping", "-n", "-c", 1, "-t", 2, "-W", 2, c.host_v6, check=False).stdout
    assert "Hop limit" in answer or "Time exceeded" in answer


def test_unreachable_is_answered(tunnel):
    """Into the prefix of a peer that is down."""
    sites = tunnel()
    a, b = sites["a"], sites["b"]
    sites.wait_until_reached(a, b)
    b.gateway.stop()
    wait_for("a to notice", lambda: a.gateway.peer_status("b")["state"] != "up", deadline=15)
    answer = a.host.run("ping", "-n", "-c", 1, "-W", 2, b.host_v4, check=False).stdout
    assert "Unreachable" in answer
    answer = a.host.run("ping", "-n", "-c", 1, "-W", 2, b.host_v6, check=False).stdout
    assert "unreachable" in answer.lower()
    assert a.gateway.drops()["peer_down"] >= 2


def test_inner_source_of_another_peer(make_sites):
    """b's host takes an address of c's network: a drops what comes in under it."""
    sites = make_sites("abc").introduce().start()
    a, b, c = sites
    sites.wait_until_reached(b, a)
    b.host.address("eth0", "10.3.7.7/32")
    before = a.gateway.drops()["inner_source"]
    b.host.run("ping", "-n", "-c", 3, "-i", 0.05, "-W", 1, "-I", "10.3.7.7", a.host_v4, check=False)
    wait_for("them to be counted", lambda: a.gateway.drops()["inner_source"] >= before + 3)
    assert b.ping(a).lost == 0
