"""Several workers and several lanes."""

from lab import traffic
from lab.waiting import wait_for


def lanes(site, peer):
    return {session["lane"] for session in site.gateway.sessions(peer)}


def test_four_lanes(tunnel):
    sites = tunnel(lanes=4)
    a, b = sites
    wait_for("four lanes", lambda: lanes(a, "b") == lanes(b, "a") == {0, 1, 2, 3})
    ports = [session["local"] for session in a.gateway.sessions("b")]
    assert len(set(ports)) == 4
    sites.wait_until_reached(a, b)
    traffic.iperf3_server(b.host, b.host_v4)
    assert traffic.iperf3(a.host, b.host_v4, seconds=1, streams=8).gbps > 0.05
    used = [session for session in a.gateway.sessions("b") if session["tx_packets"] > 100]
    assert len(used) >= 2
    # Symmetric: what goes out on a lane is answered on it.
    for ours in used:
        theirs = next(session for session in b.gateway.sessions("a") if session["lane"] == ours["lane"])
        assert theirs["rx_packets"] > 100 and theirs["tx_packets"] > 20


def test_two_workers_hand_over(make_sites):
    """What arrives at a worker that doesn't own the session is opened by its owner all the same."""
    sites = make_sites("ab").introduce(lanes=4)
    for site in sites:
        site.gateway.sections["dataplane"]["workers"] = [0, 1]
        site.gateway.sections["tun"][0]["queues"] = 2
    sites.start()
    a, b = sites
    wait_for("four lanes", lambda: lanes(a, "b") == lanes(b, "a") == {0, 1, 2, 3})
    sites.wait_until_reached(a, b)
    traffic.iperf3_server(b.host, b.host_v4)
    assert traffic.iperf3(a.host, b.host_v4, seconds=2, streams=8).gbps > 0.05
    assert traffic.iperf3(a.host, b.host_v4, seconds=1, streams=8, reverse=True).gbps > 0.05
    assert a.ping(b, 6, count=100, interval=0.002).lost == 0
    for site in sites:
        workers = site.gateway.show("workers")
        assert len(workers) == 2 and all(worker["opened"] > 0 and worker["sealed"] > 0 for worker in workers)
        assert site.gateway.balance()["handed_over"] > 0
    assert len({session["worker"] for session in a.gateway.sessions("b")}) == 2


def test_idle_means_asleep(tunnel):
    sites = tunnel()
    a, b = sites
    sites.wait_until_reached(a, b)

    def cpu_ticks(site):
        fields = open(f"/proc/{site.gateway.program.pid}/stat").read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])
    before = cpu_ticks(a)
    assert a.ping(b, count=20, interval=0.1).lost == 0  # two seconds of next to nothing
    assert cpu_ticks(a) - before < 40  # of 200
