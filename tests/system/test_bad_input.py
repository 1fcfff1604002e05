"""Datagrams that no honest gateway sends: each a counted drop, none a crash, none an answer."""

import os
import random

import pytest

from lab import injection, traffic
from lab.capture import Capture, datagram
from lab.waiting import wait_for

DTLS_1_2 = b"\xfe\xfd"


def record(content_type=23, epoch=1, sequence=1, body=b"\0" * 40, version=DTLS_1_2, length=None):
    length = len(body) if length is None else length
    return bytes([content_type]) + version + epoch.to_bytes(2, "big") + sequence.to_bytes(6, "big") + \
        length.to_bytes(2, "big") + body


class Victim:
    """a with a live tunnel to b, and a wire on which to send it things."""

    def __init__(self, sites):
        self.sites, self.a, self.b = sites, sites["a"], sites["b"]
        sites.wait_until_reached(self.b, self.a)
        self.wire = injection.injector_towards(sites, self.a)
        self.session = self.a.gateway.sessions("b")[0]
        self.port = int(self.session["local"].rsplit(":", 1)[1])

    def send(self, payload, source="203.0.113.66", source_port=6666, port=None):
        self.wire.packet(injection.udp(source, source_port, self.a.outer_v4, port or self.port, payload))

    def as_b(self, payload):
        """From the address of the live session's far end."""
        self.send(payload, self.b.outer_v4, 4433)

    def expect(self, reason, count, act):
        before = self.a.gateway.drops()
        act()
        wait_for(f"{count} drops as {reason}", lambda: self.a.gateway.drops()[reason] >= before[reason] + count)
        return self

    def assert_unharmed(self):
        assert self.a.gateway.running and self.b.gateway.running
        assert self.b.ping(self.a, count=20, interval=0.005).lost == 0
        assert [session["index"] for session in self.a.gateway.sessions("b")] == [self.session["index"]]
        assert self.a.gateway.status()["sessions"] == 1


@pytest.fixture
def victim(tunnel):
    return Victim(tunnel())


def captured_records(victim, count=20):
    """What b really sent to a, as it was on the wire."""
    capture = Capture(victim.sites.internet, "to-a", "udp", "and", "src", victim.b.outer_v4)
    assert victim.b.ping(victim.a, count=count).lost == 0
    wait_for("records", lambda: len(capture.datagrams()) >= count)
    return capture.stop().datagrams()


def test_garbage(victim):
    dice = random.Random(1)
    lengths = [0, 1, 12, 13, 14, 36, 37, 100, 1400]
    payloads = [bytes([200 + i % 20]) + dice.randbytes(length) if length else b"" for i, length in enumerate(lengths)]
    victim.expect("record_malformed", len(lengths), lambda: [victim.send(payload) for payload in payloads])
    victim.expect("record_malformed", len(lengths), lambda: [victim.as_b(payload) for payload in payloads])
    victim.assert_unharmed()


def test_truncated_records(victim):
    """Every length of a real record but its own."""
    real = captured_records(victim)[-1].payload
    victim.expect("record_malformed", len(real) - 1,
                  lambda: [victim.as_b(real[:length]) for length in range(1, len(real))])
    victim.assert_unharmed()


def test_wrong_headers(victim):
    wrong = [record(version=b"\xfe\xff"), record(version=b"\x03\x03"), record(length=2000), record(length=0, body=b""),
             record(body=b"\0" * 23), record(content_type=0), record(content_type=99)]
    victim.expect("record_malformed", 5, lambda: [victim.as_b(each) for each in wrong])
    victim.expect("record_epoch", 3, lambda: [victim.as_b(record(epoch=epoch)) for epoch in (2, 3, 65535)])
    victim.assert_unharmed()


def test_forged(victim):
    """Each of a real record's bytes changed, one at a time: not one is taken for b's."""
    real = captured_records(victim)[-1].payload
    before = victim.a.gateway.peer_status("b")["rx_packets"]

    def forge():
        for position in range(13, len(real)):
            victim.as_b(real[:position] + bytes([real[position] ^ 1]) + real[position + 1:])
    # A changed nonce may name another session; the rest fails the tag.
    victim.expect("authentication", len(real) - 21, forge)
    assert victim.a.gateway.peer_status("b")["rx_packets"] == before
    victim.assert_unharmed()


def test_replayed(victim):
    frames = captured_records(victim, 30)
    victim.expect("replayed", len(frames), lambda: [victim.wire.frame(each.frame) for each in frames])
    # Also from elsewhere: an old record moves no session.
    victim.expect("replayed", len(frames), lambda: [victim.send(each.payload) for each in frames])
    assert victim.a.gateway.sessions("b")[0]["remote"] == victim.session["remote"]
    victim.assert_unharmed()


def test_misdirected(victim):
    """b's records for a, sent to b, to a port that nobody has, and to a under a session index that isn't there."""
    frames = captured_records(victim)
    towards_b = injection.injector_towards(victim.sites, victim.b)
    before = victim.b.gateway.drops()
    for each in frames:
        towards_b.packet(injection.udp("203.0.113.66", 7, victim.b.outer_v4, 4433, each.payload))
    wait_for("drops at b", lambda: sum(victim.b.gateway.drops()[reason] - before[reason] for reason in
                                       ("unknown_session", "authentication")) >= len(frames))
    left = victim.a.gateway.drops()["left_to_kernel"]
    for each in frames:
        victim.send(each.payload, port=4999)
    wait_for("drops at a", lambda: victim.a.gateway.drops()["left_to_kernel"] >= left + len(frames))
    victim.expect("unknown_session", 10, lambda: [
        victim.send(record(body=(0x0ABCDEF << 36 | i).to_bytes(8, "big") + os.urandom(60))) for i in range(10)])
    victim.assert_unharmed()


def test_wrong_outer_headers(victim):
    good = injection.udp(victim.b.outer_v4, 4433, victim.a.outer_v4, victim.port, record())
    a, b = victim.a.outer_v4, victim.b.outer_v4

    def with_udp_length(length):
        return injection.ip(b, a, 17, good[20:24] + length.to_bytes(2, "big") + b"\0\0" + good[28:])
    victim.expect("outer_malformed", 3, lambda: [victim.wire.packet(with_udp_length(length)) for length in (0, 7, 9000)])
    # Fragments never come this far: af_packet's fan-out has the kernel put them together first.
    damaged = good[:10] + bytes([good[10] ^ 0xFF]) + good[11:]  # the IP header's; the payload's is the tag's business
    victim.expect("outer_checksum", 1, lambda: victim.wire.packet(damaged))
    victim.expect("outer_truncated", 1, lambda: victim.wire.packet(good[:2] + b"\x05\x00" + good[4:60]))
    victim.assert_unharmed()


def test_cleartext_alerts_end_nothing(victim):
    fatal, close = record(21, epoch=0, body=b"\x02\x28"), record(21, epoch=0, body=b"\x01\x00")
    for _ in range(20):
        victim.as_b(fatal)
        victim.as_b(close)
    wait_for("them to be seen", lambda: victim.a.gateway.show("ports")[0]["rx_packets"] > 0)
    victim.assert_unharmed()


def test_nobody_is_answered(victim):
    """Neither the gateway nor its kernel says a word, on the tunnel's ports."""
    capture = Capture(victim.sites.internet, "to-a", "src", victim.a.outer_v4, "and", "dst", "203.0.113.66")
    before = victim.a.gateway.show("ports")[0]["rx_packets"]
    for port in (victim.port, 4433):
        for payload in (b"", b"hello", record(), record(22, epoch=0, body=os.urandom(50)), os.urandom(1200)):
            victim.send(payload, port=port)
    wait_for("all to have come", lambda: victim.a.gateway.show("ports")[0]["rx_packets"] >= before + 10)
    victim.assert_unharmed()
    assert [seen for seen in map(datagram, capture.stop().frames()) if seen] == []
    assert capture.frames() == []


CLIENT_HELLO = bytes.fromhex(
    "16feff0000000000000000" "0036" "01" "00002a" "0000" "000000" "00002a" "fefd") + bytes(32) + \
    bytes.fromhex("00" "00" "0002" "c02b" "01" "00")


def test_handshake_flood(victim):
    """Client hellos from everywhere, as fast as they can be made, while traffic flows."""
    b, a = victim.b, victim.a
    pings = traffic.Ping(a.host, b.host_v4, interval=0.005)
    towards_b = injection.injector_towards(victim.sites, b)
    resident = memory_of(b)
    for i in range(30_000):
        hello = CLIENT_HELLO[:27] + os.urandom(32) + CLIENT_HELLO[59:]
        source = f"203.{i >> 16 & 15}.{i >> 8 & 255}.{i & 255}"
        towards_b.packet(injection.udp(source, 1024 + i % 60000, b.outer_v4, 4433, hello))
    wait_for("the flood to be counted", lambda: b.gateway.show("ports")[0]["rx_packets"] > 15_000)
    handshakes = b.gateway.status()["handshakes"]
    assert handshakes["half_open"] == 0  # a cookie costs no state
    assert b.gateway.drops()["handshake_policed"] > 0 or handshakes["cookies_sent"] > 1000
    result = pings.stop()
    assert result.received >= result.sent * 0.95
    assert memory_of(b) - resident < 64 << 20
    victim.assert_unharmed()


def memory_of(site):
    """Resident bytes."""
    pages = int(open(f"/proc/{site.gateway.program.pid}/statm").read().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_half_open_handshakes_are_bounded(make_sites, lab):
    """A stranger with a return address and any number of ports gets no farther than the limit, and b still answers a."""
    sites = make_sites("ab").introduce()
    a, b = sites["a"], sites["b"]
    b.gateway.start()
    clients = [sites.internet.start("openssl", "s_client", "-dtls1_2", "-connect", b.outer(4), "-quiet")
               for _ in range(20)]
    wait_for("handshakes", lambda: b.gateway.status()["handshakes"]["refused"] >= 5, deadline=20)
    a.gateway.start()
    sites.wait_until_reached(a, b)
    assert b.gateway.status()["sessions"] == 1
    for client in clients:
        client.stop()
