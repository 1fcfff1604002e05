"""A port that DPDK owns, with a kernel interface for everything that isn't tunnel traffic."""

import socket

import pytest

from lab.waiting import wait_for


def owned(make_sites, **port):
    sites = make_sites("ab").introduce()
    sites["a"].own_wire(**port)
    sites.start(up=False)
    sites["a"].connect_kernel_port()
    return sites


@pytest.mark.parametrize("port", [{}, {"device": "kernel:out0", "driver": "af_xdp"}], ids=["vdev", "af_xdp"])
def test_tunnel_over_an_owned_port(make_sites, port):
    sites = owned(make_sites, **port)
    sites.wait_until_up(deadline=35)
    a, b = sites
    for family in (4, 6):
        sites.wait_until_reached(a, b, family)
        assert a.ping(b, family, count=30, interval=0.005).lost == 0
    port = a.gateway.show("ports")[0]
    assert port["kernel_interface"] == "wan0" and not port["shared_with_kernel"]


def test_the_kernel_answers_behind_it(make_sites):
    """ARP, neighbour discovery, ping of the outer address, and TCP to it."""
    sites = owned(make_sites)
    a = sites["a"]
    link = a.gateway.show("ports")[0]["link_address"]
    for address in (a.outer_v4, a.outer_v6):
        wait_for(f"a ping of {address}", lambda: " 0% packet loss" in sites.internet.run(
            "ping", "-n", "-c", 3, "-i", 0.05, "-W", 1, address, check=False).stdout)
        neighbours = sites.internet.ip("neighbour", "show", address).stdout
        assert link in neighbours
    for family, address in ((socket.AF_INET, a.outer_v4), (socket.AF_INET6, a.outer_v6)):
        server = a.namespace.socket(family, socket.SOCK_STREAM)
        server.bind((address, 8443))
        server.listen()
        client = sites.internet.socket(family, socket.SOCK_STREAM)
        client.settimeout(5)
        client.connect((address, 8443))
        at_server, _ = server.accept()
        at_server.settimeout(5)
        sent = bytes(range(256)) * 1000
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: at_server.recv(65536), b""))
        assert received == sent
        at_server.close()
    account = a.gateway.balance()
    assert account["tx_kernel"] > 10 and account["rx_kernel"] > 10


def test_a_neighbour_changes_its_link_address(make_sites):
    sites = owned(make_sites)
    sites.wait_until_up(deadline=35)
    a, b = sites
    sites.wait_until_reached(a, b)
    sites.internet.ip("link", "set", "to-a", "address", "02:00:00:00:77:77")
    sites.wait_until_reached(b, a, deadline=30)
    assert a.ping(b, count=10).lost == 0
