"""Two gateways, a host behind each, one encrypted tunnel: the demo of `./dev demo`."""

import argparse
import json
import signal
import sys
import time

from lab import traffic
from lab.capture import Capture
from lab.network import Lab
from lab.program import Failed
from lab.sites import Sites
from lab.waiting import TimedOut, wait_for

APPLICATION_DATA = 23
# What host a's pings say. No byte of it may be seen outside.
TEXT = b"what is said at home"
SECONDS = 5  # of each iperf3 run


def step(text):
    print(f"-- {text}", flush=True)


def clear_bytes(datagrams, addresses):
    """How many bytes of inner packets lie open in these outer ones. A datagram that is no encrypted record counts whole."""
    secrets = [TEXT, *addresses]
    clear = 0
    for seen in datagrams:
        if seen.payload[:1] != bytes([APPLICATION_DATA]):
            clear += len(seen.payload)
        else:
            clear += sum(len(secret) * seen.payload.count(secret) for secret in secrets)
    return clear


def describe(seen):
    payload = seen.payload
    return (f"   {seen.source}:{seen.source_port} > {seen.destination}:{seen.destination_port}  DTLS 1.2 application "
            f"data, epoch {int.from_bytes(payload[3:5], 'big')}, sequence {int.from_bytes(payload[5:11], 'big')}, "
            f"{len(payload)} bytes: {payload[13:37].hex()}…")


def watched_pings(a, b):
    """Pings over IPv4 and IPv6, and the outer packets meanwhile."""
    capture = Capture(b.namespace, "out0", "udp")
    said = []
    for address in (b.host_v4, b.host_v6):
        said.append(a.host.run("ping", "-n", "-c", 20, "-i", 0.05, "-W", 1, "-p", TEXT[:16].hex(), address,
                               check=False).stdout)
    wait_for("the capture", lambda: len(capture.datagrams()) >= 40, deadline=3)
    return [traffic.ping_result(output) for output in said], capture.stop().datagrams()


def run_demo(lab, build):
    result = {"ping_v4_ok": False, "ping_v6_ok": False, "rtt_ms": None, "tcp_gbps": None, "udp_kpps": None,
              "engine": None, "outer_clear_bytes": None}
    step(f"namespaces {lab.prefix}-{{gw-a,gw-b,host-a,host-b}}, joined by veth pairs")
    sites = Sites(lab, build, "ab", direct=True).introduce()
    a, b = sites
    step("culvertd in gw-a and gw-b, one worker each; a calls b")
    started = time.monotonic()
    sites.start()
    print(f"   tunnel up {time.monotonic() - started:.1f} s after the start")
    result["engine"] = a.gateway.show("workers")[0]["engine"]
    for family in (4, 6):
        sites.wait_until_reached(a, b, family)

    step("ping from host-a to host-b over IPv4 and IPv6, watched from outside")
    (v4, v6), outer = watched_pings(a, b)
    result.update(ping_v4_ok=v4.lost == 0, ping_v6_ok=v6.lost == 0, rtt_ms=v4.rtt_ms)
    addresses = [bytes(map(int, site.host_v4.split("."))) for site in sites]
    result["outer_clear_bytes"] = clear_bytes(outer, [addresses[0] + addresses[1], addresses[1] + addresses[0]])
    print(*map(describe, outer[:4]), sep="\n")

    step(f"iperf3 from host-a to host-b, TCP and then UDP with 64 bytes, {SECONDS} s each")
    traffic.iperf3_server(b.host, b.host_v4)
    result["tcp_gbps"] = round(traffic.iperf3(a.host, b.host_v4, seconds=SECONDS).gbps, 3)
    result["udp_kpps"] = round(traffic.iperf3(a.host, b.host_v4, seconds=SECONDS, udp=True, length=64).kpps, 1)

    step("culvertctl show, at gw-a")
    print(a.gateway.control("show").stdout)
    step("ending both")
    sites.stop()
    return result


def table(result):
    rows = [("ping over IPv4, IPv6", " ".join("ok" if result[f"ping_{v}_ok"] else "FAILED" for v in ("v4", "v6"))),
            ("round trip", f"{result['rtt_ms']} ms"),
            ("TCP", f"{result['tcp_gbps']} Gbit/s"),
            ("UDP, 64 bytes", f"{result['udp_kpps']} thousand packets/s arrived"),
            ("crypto engine", result["engine"]),
            ("inner bytes seen outside", result["outer_clear_bytes"])]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"   {name:<{width}}  {value}" for name, value in rows)


def main():
    parser = argparse.ArgumentParser(prog="./dev demo")
    parser.add_argument("--build", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Lab("demo") as lab:
            result = run_demo(lab, options.build)
    except (Failed, TimedOut, AssertionError) as error:
        print(f"The demo failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped; everything that the demo made has been removed.", file=sys.stderr)
        return 130
    print(table(result))
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=2)
            file.write("\n")
    good = result["ping_v4_ok"] and result["ping_v6_ok"] and result["tcp_gbps"] > 0 and result["udp_kpps"] > 0 \
        and result["outer_clear_bytes"] == 0
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
