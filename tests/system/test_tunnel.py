"""The main job: packets of two inner networks over one encrypted tunnel."""

import pytest

from lab import traffic
from lab.capture import Capture
from lab.waiting import wait_for

APPLICATION_DATA, DTLS_1_2 = 23, b"\xfe\xfd"
DONT_FRAGMENT = 0x40


@pytest.mark.parametrize("family", [pytest.param(4, marks=pytest.mark.smoke), 6], ids=["outer_v4", "outer_v6"])
def test_ping_and_iperf3(tunnel, family):
    sites = tunnel(family)
    a, b = sites["a"], sites["b"]
    for inside, far in ((4, b.host_v4), (6, b.host_v6)):
        sites.wait_until_reached(a, b, inside)
        assert a.ping(b, inside, count=50, interval=0.005).lost == 0
        traffic_server = traffic.iperf3_server(b.host, far)
        tcp = traffic.iperf3(a.host, far, seconds=1)
        assert tcp.gbps > 0.02
        assert traffic.iperf3(a.host, far, seconds=1, reverse=True).gbps > 0.02
        unread = traffic.overflows(b.host)
        udp = traffic.iperf3(a.host, far, seconds=1, udp=True, rate="20M", length=800)
        assert udp.packets > 500
        assert udp.lost <= udp.packets * 0.01 + traffic.overflows(b.host) - unread
        traffic_server.stop()
    status = a.gateway.peer_status("b")
    assert status["rx_packets"] > 1000 and status["tx_packets"] > 1000
    assert sites["b"].gateway.sessions("a")[0]["remote"].startswith(a.outer_v4 if family == 4 else f"[{a.outer_v6}")


@pytest.mark.parametrize("family", [4, 6], ids=["outer_v4", "outer_v6"])
def test_what_the_wire_shows(tunnel, family):
    sites = tunnel(family)
    a, b = sites["a"], sites["b"]
    sites.wait_until_reached(a, b)
    capture = Capture(sites.internet, "to-a", "udp")
    secret = "c0ffee5ec4e7"
    sent = a.host.run("ping", "-n", "-c", 20, "-i", 0.01, "-p", secret, b.host_v4).stdout
    assert " 0% packet loss" in sent
    wait_for("all of it", lambda: len(capture.datagrams()) >= 40)
    for seen in capture.stop().datagrams():
        assert bytes.fromhex(secret) not in seen.frame
        assert a.host_v4.encode() not in seen.frame
        # RFC 6347 §4.1: one whole record of application data a datagram
        assert seen.payload[0] == APPLICATION_DATA
        assert seen.payload[1:3] == DTLS_1_2
        assert int.from_bytes(seen.payload[11:13], "big") == len(seen.payload) - 13
        if family == 4:
            assert seen.frame[14 + 6] & DONT_FRAGMENT


def test_vlan(make_sites):
    sites = make_sites("ab", direct=True).introduce()
    for site in sites:
        site.share_wire(vlan=42)
    capture = Capture(sites["a"].namespace, "out0")
    sites.start()
    a, b = sites["a"], sites["b"]
    sites.wait_until_reached(a, b)
    assert a.ping(b, count=10).lost == 0
    # What the gateway itself sends goes past tcpdump (qdisc_bypass): ten answers have come.
    wait_for("tagged datagrams", lambda: len(capture.datagrams()) >= 10)
    for seen in capture.datagrams():
        assert seen.frame[12:16] == b"\x81\x00\x00\x2a"


@pytest.mark.parametrize("engine", ["libcrypto", "ipsec-mb"])
def test_engines(make_sites, engine):
    """Each against whatever the other end finds best."""
    sites = make_sites("ab").introduce()
    sites["a"].gateway.sections["dataplane"]["engine"] = engine
    sites.start()
    sites.wait_until_reached(sites["a"], sites["b"])
    assert sites["a"].ping(sites["b"], count=20).lost == 0
    assert engine in sites["a"].gateway.show("workers")[0]["engine"]


def test_dscp_and_ecn_outside(make_sites):
    """DSCP is copied (RFC 2983, uniform model) or fixed, and ECN follows the inner packet (RFC 6040)."""
    sites = make_sites("ab").introduce()
    sites["b"].gateway.peer("a")["dscp"] = 10
    sites.start()
    a, b = sites["a"], sites["b"]
    sites.wait_until_reached(a, b)
    capture = Capture(sites.internet, "to-a", "udp")
    tos = (46 << 2) | 2  # expedited forwarding, ECT(0)
    assert " 0% packet loss" in a.host.run("ping", "-n", "-c", 3, "-i", 0.01, "-Q", tos, b.host_v4).stdout

    def outer_tos(source):
        return [seen.frame[15] for seen in capture.datagrams() if seen.source == source and seen.frame[15] & 3]
    wait_for("three echoes each way", lambda: min(len(outer_tos(a.outer_v4)), len(outer_tos(b.outer_v4))) >= 3)
    assert set(outer_tos(a.outer_v4)) == {tos}
    assert set(outer_tos(b.outer_v4)) == {(10 << 2) | 2}


def test_tun_in_a_namespace_of_its_own(make_sites, lab):
    inner = lab.namespace("inner")
    sites = make_sites("ab").introduce()
    sites["a"].gateway.sections["tun"][0]["namespace"] = inner.full_name
    sites.start()
    wait_for("a ping from the inner namespace", lambda: traffic.reaches(inner, sites["b"].inner_v4))
    assert "cv0" in inner.interfaces() and "cv0" not in sites["a"].namespace.interfaces()
    sites.stop()
    assert "cv0" not in inner.interfaces()
