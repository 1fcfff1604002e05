"""OpenSSL as the far end: real echoes through its own record layer, in and out."""

from lab import stranger, traffic
from lab.waiting import wait_for

FAR_V4, FAR_V6 = "10.200.0.1", "fd00:200::1"


def lone_site(make_sites, lab):
    """One gateway, and a stranger's end at home in the internet."""
    sites = make_sites("a")
    far = lab.namespace("stranger")
    lab.link(far, "eth0", sites.internet, "to-far", plain=True)
    sites.internet.address("to-far", "203.0.113.254/24")
    far.address("eth0", "203.0.113.9/24")
    far.route("default", "203.0.113.254")
    key, certificate, pin = stranger.make_certificate(lab.folder, "far")
    peer = {"name": "far", "pin": pin, "prefixes": ["10.200.0.0/24", "fd00:200::/64"]}
    inside = {"addresses": [f"{FAR_V4}/32", f"{FAR_V6}/128"], "routes": sites["a"].prefixes}
    return sites, sites["a"], far, key, certificate, peer, inside


def echoes_both_ways(site, far):
    for destination in (FAR_V4, FAR_V6):
        wait_for(f"a ping of {destination}", lambda: traffic.reaches(site.host, destination))
        assert traffic.ping(site.host, destination, count=20).lost == 0
    for destination in (site.host_v4, site.host_v6):
        assert traffic.ping(far, destination, count=20).lost == 0
    session = site.gateway.sessions("far")[0]
    wait_for("it to be known as a stranger", lambda: site.gateway.sessions("far")[0]["stranger"])
    assert session["rx_packets"] >= 80 and session["tx_packets"] >= 80


def test_s_client_calls(make_sites, lab):
    sites, a, far, key, certificate, peer, inside = lone_site(make_sites, lab)
    a.gateway.sections["peer"] = [peer]
    a.gateway.start()
    stranger.s_client(far, a.outer(4), key, certificate, **inside)
    # Who is called sends nothing before the caller has been heard.
    wait_for("a ping from the stranger", lambda: traffic.reaches(far, a.host_v4))
    a.gateway.wait_until_up("far")
    echoes_both_ways(a, far)


def test_s_server_is_called(make_sites, lab):
    sites, a, far, key, certificate, peer, inside = lone_site(make_sites, lab)
    server = stranger.s_server(far, 4433, key, certificate, **inside)
    wait_for("s_server", lambda: server.program.running and ":4433" in far.run("ss", "-lnu").stdout)
    peer["endpoint"] = "203.0.113.9:4433"
    a.gateway.sections["peer"] = [peer]
    a.gateway.start()
    a.gateway.wait_until_up("far")
    echoes_both_ways(a, far)
