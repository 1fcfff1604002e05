"""Changes to a running gateway touch only what they are about."""

from lab import traffic
from lab.gateway import Keys, nobodys_pin
from lab.waiting import wait_for


def test_a_peer_more_and_a_peer_less(make_sites):
    sites = make_sites("abc")
    a, b, c = sites
    a.knows(b, endpoint=b.outer(4))
    b.knows(a)
    c.knows(a, endpoint=a.outer(4))
    sites.start(up=False)
    sites.wait_until_reached(a, b)
    before = a.gateway.sessions("b")[0]
    pings = traffic.Ping(a.host, b.host_v4, interval=0.002)

    a.knows(c)
    assert "c" in a.gateway.reload().stdout
    c.gateway.wait_until_up("a", deadline=35)
    sites.wait_until_reached(c, a)

    a.gateway.sections["peer"] = [peer for peer in a.gateway.sections["peer"] if peer["name"] != "c"]
    a.gateway.reload()
    wait_for("c to be gone", lambda: [peer["name"] for peer in a.gateway.show("peers")] == ["b"])
    wait_for("c to notice", lambda: c.gateway.peer_status("a")["state"] != "up", deadline=15)
    assert not c.reaches(a)

    assert pings.stop().lost == 0
    after = a.gateway.sessions("b")
    assert [session["index"] for session in after] == [before["index"]]


def test_peers_by_the_api(make_sites):
    sites = make_sites("ab")
    a, b = sites
    sites.start()
    b.gateway.control("peer", "add", "a", "--pin", a.gateway.keys.pin, "--prefix", a.prefixes[0])
    a.gateway.control("peer", "add", "b", "--pin", b.gateway.keys.pin, "--endpoint", b.outer(4),
                      "--prefix", b.prefixes[0])
    wait_for("the tunnel", lambda: a.gateway.peer_status("b")["state"] == "up")
    wait_for("a ping", lambda: a.reaches(b))
    assert not a.reaches(b, 6)
    a.gateway.control("peer", "set", "b", "--prefix", b.prefixes[0], "--prefix", b.prefixes[1])
    b.gateway.control("peer", "set", "a", "--prefix", a.prefixes[0], "--prefix", a.prefixes[1])
    wait_for("a ping over IPv6", lambda: a.reaches(b, 6))
    refused = a.gateway.control("peer", "add", "c", "--pin", b.gateway.keys.pin, "--prefix", b.prefixes[0], check=False)
    assert refused.returncode != 0 and b.prefixes[0] in refused.stderr
    a.gateway.control("peer", "remove", "b")
    assert a.gateway.show("peers") == []
    assert not a.reaches(b)


def test_a_wrong_configuration_changes_nothing(tunnel):
    sites = tunnel()
    a, b = sites
    sites.wait_until_reached(a, b)
    session = a.gateway.sessions("b")[0]["index"]
    good = a.gateway.file.read_text()
    a.gateway.file.write_text(good + '\n[[peer]]\nname = "c"\npin = "pin-sha256:short"\nprefixes = ["10.99.0.0/16"]\n')
    refused = a.gateway.control("reload", check=False)
    assert refused.returncode != 0
    line = good.count("\n") + 4
    assert f"{a.gateway.file.name}:{line}:" in refused.stderr and "peer.c.pin" in refused.stderr
    assert [peer["name"] for peer in a.gateway.show("peers")] == ["b"]
    # What would need a restart is named, and nothing of the file is applied.
    a.gateway.file.write_text(good.replace("packet_buffers = 8192", "packet_buffers = 16384"))
    refused = a.gateway.control("reload", check=False)
    assert refused.returncode != 0 and "packet_buffers" in refused.stderr and "restart" in refused.stderr
    assert a.ping(b).lost == 0
    assert a.gateway.sessions("b")[0]["index"] == session
    a.gateway.file.write_text(good)
    a.gateway.control("reload")


def test_a_certificate_is_replaced(tunnel):
    """For handshakes from now on; the session that is there stays."""
    sites = tunnel(rekey_packets=1000)
    a, b = sites
    sites.wait_until_reached(a, b)
    session = a.gateway.sessions("b")[0]["index"]
    renewed = Keys(a.gateway.binaries, a.gateway.folder, "a")  # over the former files
    b.gateway.peer("a")["pin"] = [a.gateway.keys.pin, renewed.pin]
    assert renewed.pin != a.gateway.keys.pin
    b.gateway.reload()
    a.gateway.reload()
    assert a.gateway.status()["pin"] == renewed.pin
    assert a.gateway.sessions("b")[0]["index"] == session
    pings = traffic.Ping(a.host, b.host_v4, interval=0.002)
    wait_for("a handshake with the new key", lambda: a.gateway.sessions("b")[0]["generation"] >= 1, deadline=20)
    assert pings.stop().lost == 0
    # And only the new one is asked for from here on.
    b.gateway.peer("a")["pin"] = renewed.pin
    b.gateway.reload()
    b.gateway.stop()
    b.gateway.restart()
    sites.wait_until_reached(a, b)


def test_hang_up_reloads(tunnel):
    sites = tunnel()
    a, b = sites
    a.gateway.peer("b")["keepalive"] = 5
    a.gateway.sections["peer"].append({"name": "later", "pin": nobodys_pin(), "prefixes": ["10.77.0.0/16"]})
    a.gateway.write()
    a.gateway.hang_up()
    wait_for("the new peer", lambda: len(a.gateway.show("peers")) == 2)
    assert a.gateway.peer_status("b")["state"] == "up"


def test_events_are_told(make_sites):
    sites = make_sites("ab").introduce()
    a, b = sites
    a.gateway.start()
    followed = a.namespace.start(a.gateway.binaries.culvertctl, "--socket", a.gateway.socket, "events", "--json")
    b.gateway.start()
    wait_for("the tunnel to be told", lambda: '"tunnel_up"' in followed.output(), deadline=35)
    b.gateway.stop()
    wait_for("its end to be told", lambda: '"tunnel_down"' in followed.output(), deadline=15)
    assert followed.running
