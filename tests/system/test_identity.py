"""Who may be a peer, and which end calls."""

import pytest

from lab.gateway import nobodys_pin, write_psk
from lab.waiting import wait_for


def share_psk(sites, **files):
    for site in sites:
        for peer in site.gateway.sections["peer"]:
            peer.pop("pin", None)
            peer["psk_file"] = files[site.letter]


def test_psk(make_sites, lab, binaries):
    sites = make_sites("ab").introduce()
    file = write_psk(binaries, lab.folder / "ab.psk")
    share_psk(sites, a=file, b=file)
    for site in sites:  # no certificate is needed then
        site.gateway.sections["gateway"] = {"name": site.letter}
    sites.start()
    sites.wait_until_reached(sites["a"], sites["b"])
    assert sites["a"].ping(sites["b"], 6, count=20).lost == 0
    assert sites["a"].gateway.peer_status("b")["authentication"] == "psk"
    assert sites["a"].gateway.sessions("b")[0]["cipher"].startswith("DHE-PSK-AES")


def assert_kept_out(sites):
    """Tried more than once, and no session on either side."""
    for name, site in (("b", sites["a"]), ("a", sites["b"])):
        assert site.gateway.peer_status(name)["sessions"] == []
        assert site.gateway.peer_status(name)["state"] != "up"
    assert not sites["a"].reaches(sites["b"])


def test_wrong_psk_is_refused(make_sites, lab, binaries):
    sites = make_sites("ab").introduce()
    share_psk(sites, **{letter: write_psk(binaries, lab.folder / f"{letter}.psk") for letter in "ab"})
    sites.start(up=False)
    wait_for("a failed attempt", lambda: sites["a"].gateway.peer_status("b")["last_error"])
    assert_kept_out(sites)


@pytest.mark.parametrize("mistaken", ["caller", "called"])
def test_wrong_pin_is_refused(make_sites, mistaken):
    """Either end expects another key than the other has."""
    sites = make_sites("ab").introduce()
    a, b = sites
    if mistaken == "caller":
        a.gateway.peer("b")["pin"] = nobodys_pin()
    else:
        b.gateway.peer("a")["pin"] = nobodys_pin()
    sites.start(up=False)
    wait_for("two refusals", lambda: b.gateway.status()["handshakes"]["refused"] >= 2 or
             b.gateway.status()["handshakes"]["failed"] >= 2 or a.gateway.status()["handshakes"]["failed"] >= 2)
    wait_for("their reason", lambda: a.gateway.peer_status("b")["last_error"])
    assert_kept_out(sites)
    wait_for("nothing half open", lambda: b.gateway.status()["handshakes"]["half_open"] == 0, deadline=15)


@pytest.mark.xfail(reason="sometimes one end keeps a second session; docs/status.md", strict=False)
def test_both_ends_call(make_sites):
    """However many handshakes that takes, one session is left, and both send on the same."""
    sites = make_sites("ab")
    a, b = sites["a"], sites["b"]
    a.knows(b, endpoint=b.outer(4))
    b.knows(a, endpoint=a.outer(4))
    sites.start()

    def settled():
        ours, theirs = a.gateway.sessions("b"), b.gateway.sessions("a")
        return len(ours) == len(theirs) == 1 and ours[0]["index"] == theirs[0]["remote_index"] \
            and ours[0]["remote_index"] == theirs[0]["index"] and not a.gateway.sessions("b", "waiting") \
            and not b.gateway.sessions("a", "waiting")
    wait_for("one session", settled)
    assert a.ping(b, count=50, interval=0.005).lost == 0
    wait_for("one session still, or again", settled)


def test_endpoint_by_name(make_sites):
    """A name is looked up again when its address no longer answers."""
    sites = make_sites("ab")
    a, b = sites["a"], sites["b"]
    a.namespace.etc("hosts", "198.51.2.99 tokyo.example\n")
    a.knows(b, endpoint="tokyo.example:4433")
    b.knows(a)
    sites.start(up=False)
    wait_for("a first attempt", lambda: (a.gateway.peer_status("b")["endpoint"] or "").startswith("198.51.2.99"))
    a.namespace.etc("hosts", f"{b.outer_v4} tokyo.example\n")
    sites.wait_until_up(deadline=30)
    sites.wait_until_reached(a, b)
