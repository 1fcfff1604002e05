"""What is wrong in a configuration or with the machine is said in one sentence, and nothing is half done."""

import re

import pytest

from lab.gateway import nobodys_pin
from lab.program import run
from lab.toml_text import toml_text
from lab.waiting import wait_for


@pytest.fixture
def site(make_sites):
    """One gateway that would start, with a peer."""
    sites = make_sites("ab", hosts=False).introduce()
    return sites["a"]


def refused(site, *, code=2):
    """Starts it, which has to fail at once; what it said."""
    site.gateway.start(wait=False)
    assert site.gateway.program.wait(10) == code, site.gateway.output()
    said = site.gateway.output()
    assert "cv0" not in site.namespace.interfaces() and not site.gateway.socket.exists()
    return said


def change(site, mistake):
    sections = site.gateway.sections
    peer = sections["peer"][0]
    if mistake == "unknown key":
        peer["prefix"] = peer["prefixes"]
        return "prefix", "peer.b.prefix"
    if mistake == "wrong type":
        peer["lanes"] = "four"
        return "lanes", "peer.b.lanes"
    if mistake == "out of range":
        peer["lanes"] = 65
        return "lanes", "peer.b.lanes"
    if mistake == "prefix of two peers":
        sections["peer"].append({**peer, "name": "c", "pin": nobodys_pin(), "prefixes": peer["prefixes"][:1]})
        return "prefixes", "peer.c.prefixes"
    if mistake == "duplicate name":
        sections["peer"].append({**peer, "pin": nobodys_pin(), "prefixes": ["10.9.0.0/16"]})
        return "name", "peer.b.name"
    if mistake == "missing file":
        sections["gateway"]["certificate"] = "nowhere.crt"
        return "certificate", "gateway.certificate"
    if mistake == "missing psk file":
        del peer["pin"]
        peer["psk_file"] = "nowhere.psk"
        return "psk_file", "peer.b.psk_file"
    if mistake == "unknown tun":
        peer["tun"] = "cv9"
        return "tun", "peer.b.tun"
    raise ValueError(mistake)


@pytest.mark.parametrize("mistake", ["unknown key", "wrong type", "out of range", "prefix of two peers",
                                     "duplicate name", "missing file", "missing psk file", "unknown tun"])
def test_a_mistake_is_named(site, mistake):
    word, key = change(site, mistake)
    text = toml_text(site.gateway.sections)
    said = refused(site)
    place = re.search(rf"{re.escape(site.gateway.file.name)}:(\d+): (\S+?):? ", said)
    assert place, said
    assert place[2].startswith(key), said
    line = text.splitlines()[int(place[1]) - 1]
    assert re.match(rf"{word} = ", line) or line.startswith("[["), line
    # --check says the same and starts nothing.
    checked = site.namespace.run(site.gateway.binaries.culvertd, "--config", site.gateway.file, "--check", check=False)
    assert checked.returncode == 2 and place[0].strip() in checked.stdout + checked.stderr


def test_syntax(site):
    site.gateway.sections["gateway"]["name"] = "a"
    site.gateway.write()
    text = site.gateway.file.read_text()
    site.gateway.file.write_text(text + "[[peer]\n")
    checked = site.namespace.run(site.gateway.binaries.culvertd, "--config", site.gateway.file, "--check", check=False)
    assert checked.returncode == 2
    assert f"{site.gateway.file.name}:{text.count(chr(10)) + 1}" in checked.stdout + checked.stderr


def test_no_configuration(site):
    checked = site.namespace.run(site.gateway.binaries.culvertd, "--config", "/nowhere/a.toml", check=False)
    assert checked.returncode == 2 and "/nowhere/a.toml" in checked.stdout + checked.stderr


def test_check_of_a_good_one(site):
    site.gateway.write()
    checked = site.namespace.run(site.gateway.binaries.culvertd, "--config", site.gateway.file, "--check")
    assert checked.returncode == 0
    assert "cv0" not in site.namespace.interfaces()


def test_udp_port_in_use(site):
    taken = site.namespace.socket(2, 2)
    taken.bind(("0.0.0.0", 4433))
    assert "4433" in refused(site, code=1)


def test_tun_name_in_use(site):
    site.namespace.ip("link", "add", "cv0", "type", "dummy", check=False)
    if "cv0" not in site.namespace.interfaces():
        site.namespace.ip("link", "add", "cv0", "type", "veth", "peer", "name", "cv0-end")
    site.gateway.start(wait=False)
    assert site.gateway.program.wait(10) == 1
    assert "cv0" in site.gateway.output()
    assert "cv0" in site.namespace.interfaces()  # it wasn't ours


def test_second_daemon_on_the_same_socket(site):
    site.gateway.start()
    second = site.namespace.run(site.gateway.binaries.culvertd, "--config", site.gateway.file, check=False)
    assert second.returncode == 1
    assert site.gateway.status()["name"] == "a"
    assert site.gateway.socket.exists()


@pytest.mark.parametrize("device, named", [("kernel:nosuch0", "nosuch0"), ("0000:ff:1f.7", "0000:ff:1f.7"),
                                           ("net_nosuchdriver0", "net_nosuchdriver0")])
def test_no_device(site, device, named):
    port = {"device": device}
    if not device.startswith("kernel:"):
        port["address"] = ["198.51.1.1/24"]
    site.gateway.sections["port"] = [port]
    assert named in refused(site, code=1)


def test_no_hugepages(site):
    with open("/proc/sys/vm/nr_hugepages") as file:
        if int(file.read()) > 0:
            pytest.skip("this machine has hugepages")
    site.gateway.sections["dataplane"]["hugepages"] = True
    said = refused(site, code=1)
    assert "hugepages" in said and "nr_hugepages" in said


def test_no_permission(site):
    site.gateway.write()
    run(["chmod", "a+x", site.gateway.folder.parent])
    run(["chown", "-R", "nobody", site.gateway.folder])
    denied = site.namespace.run("setpriv", "--reuid=nobody", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all",
                                site.gateway.binaries.culvertd, "--config", site.gateway.file, check=False)
    assert denied.returncode == 1
    said = (denied.stdout + denied.stderr).lower()
    assert "root" in said or "cap_net_admin" in said


def test_culvertctl_without_a_daemon(site):
    denied = site.gateway.control("show", check=False)
    assert denied.returncode != 0
    assert str(site.gateway.socket) in denied.stderr and "culvertd" in denied.stderr


def test_doctor_finds_what_is_wrong(site):
    site.namespace.sysctl("net.ipv4.ip_forward", 0)
    site.gateway.start()

    def complaint():
        return site.namespace.run(site.gateway.binaries.culvertctl, "doctor", "--config",
                                  site.gateway.file, check=False).stdout
    assert "sysctl -w net.ipv4.ip_forward=1" in complaint()
    site.namespace.sysctl("net.ipv4.ip_forward", 1)
    wait_for("it to be content", lambda: "ip_forward=1" not in complaint())
