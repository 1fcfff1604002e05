"""Traffic as users make it: ping and iperf3."""

import dataclasses
import json
import re
import signal

from .program import Failed
from .waiting import wait_for


@dataclasses.dataclass
class PingResult:
    sent: int
    received: int
    rtt_ms: float | None  # average
    output: str

    @property
    def lost(self):
        return self.sent - self.received


def ping_result(output):
    """What ping said of a finished run."""
    counts = re.search(r"(\d+) packets transmitted, (\d+) received", output)
    if not counts:
        raise Failed(f"ping did not run: {output}")
    average = re.search(r"= [\d.]+/([\d.]+)/", output)
    return PingResult(int(counts[1]), int(counts[2]), float(average[1]) if average else None, output)


def ping(namespace, destination, *, count=3, interval=0.02, size=56, dont_fragment=None, wait=1, source=None):
    """`dont_fragment`: True sets DF, False clears it."""
    argv = ["ping", "-n", "-c", count, "-i", interval, "-s", size, "-W", wait]
    if dont_fragment is not None:
        argv += ["-M", "do" if dont_fragment else "dont"]
    if source:
        argv += ["-I", source]
    return ping_result(namespace.run(*argv, destination, check=False, timeout=60).stdout)


def reaches(namespace, destination, **options):
    return ping(namespace, destination, count=1, **options).received == 1


class Ping:
    """A ping that goes on until it is stopped."""

    def __init__(self, namespace, destination, *, interval=0.005, size=56):
        self.program = namespace.start("ping", "-n", "-i", interval, "-s", size, destination)

    def stop(self):
        """What was on its way when it was stopped counts neither as sent nor as lost."""
        code = self.program.stop(signal.SIGINT, deadline=5)
        if code not in (0, 1):
            raise Failed(f"ping ended with {code}: {self.program.output()}")
        output = self.program.output()
        result = ping_result(output)
        answered = set(map(int, re.findall(r"icmp_seq=(\d+) ttl=", output)))
        return dataclasses.replace(result, sent=max(answered, default=result.sent), received=len(answered))


@dataclasses.dataclass
class IperfResult:
    gbps: float  # what arrived
    packets: int  # UDP only
    lost: int  # UDP only
    kpps: float  # UDP only: what arrived
    retransmits: int  # TCP only


def iperf3_server(namespace, address):
    """One server; it serves any number of clients, one after the other."""
    server = namespace.start("iperf3", "-s", "-B", address, "--forceflush")
    wait_for("iperf3's server", lambda: "Server listening" in server.output())
    return server


def overflows(namespace):
    """Datagrams that have arrived in this namespace and found their socket's buffer full."""
    v4 = namespace.run("cat", "/proc/net/snmp").stdout
    names, values = [line.split() for line in v4.splitlines() if line.startswith("Udp:")]
    v6 = namespace.run("cat", "/proc/net/snmp6").stdout
    return int(values[names.index("RcvbufErrors")]) + int(re.search(r"Udp6RcvbufErrors\s+(\d+)", v6)[1])


def iperf3(namespace, address, *, seconds=2, udp=False, rate=None, length=None, streams=1, reverse=False):
    """Runs a client against the server at `address` and gives what arrived there. A busy machine may not let the
    server read in time: see overflows()."""
    argv = ["iperf3", "-c", address, "-t", seconds, "-J", "-P", streams, "--connect-timeout", 5000]
    argv += ["-u", "-b", rate or "0"] if udp else (["-b", rate] if rate else [])
    argv += ["-l", length] if length else []
    argv += ["-R"] if reverse else []
    return iperf3_result(namespace.run(*argv, check=False, timeout=seconds + 30).stdout)


def iperf3_result(output):
    report = json.loads(output[output.index("{"):]) if "{" in output else {"error": output or "no output"}
    if "error" in report:
        raise Failed(f"iperf3: {report['error']}")
    end = report["end"]
    if "sum" in end and "packets" in end["sum"]:
        total = end["sum"]
        arrived = total["packets"] - total["lost_packets"]
        return IperfResult(total["bits_per_second"] * arrived / max(total["packets"], 1) / 1e9, total["packets"],
                           total["lost_packets"], arrived / total["seconds"] / 1e3, 0)
    return IperfResult(end["sum_received"]["bits_per_second"] / 1e9, 0, 0, 0.0,
                       end["sum_sent"].get("retransmits", 0))
