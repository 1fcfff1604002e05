"""Ends and new beginnings, kind and unkind."""

import time

import pytest

from lab import traffic
from lab.waiting import wait_for


@pytest.mark.parametrize("who", ["a", "b"], ids=["caller", "called"])
def test_restart(tunnel, who):
    sites = tunnel()
    a, b = sites["a"], sites["b"]
    sites.wait_until_reached(a, b)
    gateway = sites[who].gateway
    gateway.stop()
    gateway.restart()
    sites.wait_until_reached(a, b, deadline=10)
    assert a.ping(b, 6, count=10).lost == 0
    assert len(a.gateway.peer_status("b")["sessions"]) == len(b.gateway.peer_status("a")["sessions"]) == 1


@pytest.mark.parametrize("who", ["a", "b"], ids=["caller", "called"])
def test_kill_9(tunnel, who):
    sites = tunnel()
    a, b = sites["a"], sites["b"]
    sites.wait_until_reached(a, b)
    pings = traffic.Ping(a.host, b.host_v4, interval=0.05)  # there is always something to send
    killed = sites[who]
    killed.gateway.kill()
    killed.gateway.restart()
    started = time.monotonic()
    sites.wait_until_reached(a, b, deadline=10)
    assert time.monotonic() - started < 10
    pings.stop()
    # Only what the new start made: one device, its addresses and routes once each.
    assert len([i for i in killed.namespace.interfaces() if i.startswith("cv")]) == 1
    routes = killed.namespace.ip("route", "show", "dev", "cv0").stdout.split("\n")
    assert len(routes) == len(set(routes))
    wait_for("one session on each side", lambda: len(a.gateway.peer_status("b")["sessions"]) ==
             len(b.gateway.peer_status("a")["sessions"]) == 1, deadline=10)
    assert a.ping(b, 6, count=10).lost == 0


def test_kill_9_leaves_no_xdp_program(make_sites):
    sites = make_sites("ab").introduce()
    a, b = sites
    a.own_wire("kernel:out0", driver="af_xdp")
    sites.start(up=False)
    a.connect_kernel_port()
    sites.wait_until_up(deadline=35)
    sites.wait_until_reached(a, b)
    a.gateway.kill()
    a.gateway.restart()
    a.connect_kernel_port()
    sites.wait_until_reached(a, b, deadline=10)
    a.gateway.stop()
    assert "prog/xdp" not in a.namespace.ip("link", "show", "dev", "out0").stdout


def test_the_called_one_comes_later(make_sites):
    sites = make_sites("ab").introduce()
    a, b = sites["a"], sites["b"]
    a.gateway.start()
    wait_for("a failed attempt", lambda: a.gateway.peer_status("b")["last_error"], deadline=15)
    b.gateway.start()
    sites.wait_until_up(deadline=35)
    sites.wait_until_reached(a, b)


def test_a_silent_end_is_noticed(tunnel):
    """b's packets no longer arrive. 3 s of data without an answer, then probes, then a new attempt."""
    sites = tunnel()
    a, b = sites["a"], sites["b"]
    sites.wait_until_reached(a, b)
    pings = traffic.Ping(a.host, b.host_v4, interval=0.05)
    sites.internet.ip("link", "set", "to-b", "down")
    wait_for("a to notice", lambda: a.gateway.peer_status("b")["state"] != "up", deadline=15)
    sites.internet.ip("link", "set", "to-b", "up")
    sites.internet.ip("-6", "address", "replace", "2001:db8:2::fe/64", "dev", "to-b", "nodad")
    sites.wait_until_reached(a, b, deadline=35)
    pings.stop()
