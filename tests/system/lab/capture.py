"""Frames off a wire: tcpdump beside a test, and what it saw."""

import dataclasses
import ipaddress
import pathlib
import signal
import struct

from .waiting import wait_for

ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_VLAN = 0x0800, 0x86DD, 0x8100
UDP = 17


@dataclasses.dataclass
class Datagram:
    """A UDP datagram inside an Ethernet frame."""
    frame: bytes
    payload_offset: int
    source: str
    source_port: int
    destination: str
    destination_port: int

    @property
    def payload(self):
        return self.frame[self.payload_offset:]


def datagram(frame):
    """The frame's UDP datagram; None for anything else and for fragments."""
    offset, ethertype = 14, int.from_bytes(frame[12:14], "big")
    if ethertype == ETHERTYPE_VLAN:
        offset, ethertype = 18, int.from_bytes(frame[16:18], "big")
    if ethertype == ETHERTYPE_IPV4 and frame[offset + 9] == UDP and not frame[offset + 6] & 0x3F:
        source, destination = frame[offset + 12:offset + 16], frame[offset + 16:offset + 20]
        end, offset = offset + int.from_bytes(frame[offset + 2:offset + 4], "big"), offset + 4 * (frame[offset] & 15)
    elif ethertype == ETHERTYPE_IPV6 and frame[offset + 6] == UDP:
        source, destination = frame[offset + 8:offset + 24], frame[offset + 24:offset + 40]
        end, offset = offset + 40 + int.from_bytes(frame[offset + 4:offset + 6], "big"), offset + 40
    else:
        return None
    source_port, destination_port = struct.unpack_from("!HH", frame, offset)
    return Datagram(frame[:end], offset + 8, str(ipaddress.ip_address(source)), source_port,
                    str(ipaddress.ip_address(destination)), destination_port)


def frames_of(file):
    """The frames in a pcap file, as far as it has been written."""
    data = pathlib.Path(file).read_bytes()
    if len(data) < 24:
        return
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    offset = 24
    while offset + 16 <= len(data):
        _, _, kept, _ = struct.unpack_from(order + "IIII", data, offset)
        if offset + 16 + kept > len(data):
            return
        yield data[offset + 16:offset + 16 + kept]
        offset += 16 + kept


class Capture:
    """tcpdump on one interface, from the moment this is made."""

    def __init__(self, namespace, interface, *expression):
        self.file = namespace.lab.folder / f"capture-{id(self):x}.pcap"
        self.program = namespace.start("tcpdump", "-n", "-U", "-p", "--immediate-mode", "-Z", "root", "-B", 16384,
                                       "-i", interface, "-w", self.file, *expression)
        wait_for("tcpdump", lambda: "listening on" in self.program.output())

    def frames(self):
        return list(frames_of(self.file))

    def datagrams(self):
        return [found for found in map(datagram, self.frames()) if found]

    def stop(self):
        self.program.stop(signal.SIGINT)
        return self
