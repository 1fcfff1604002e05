"""Datagrams and frames that no honest gateway sends, put on the wire towards one."""

import dataclasses
import ipaddress
import socket
import struct


def checksum(data):
    """RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def udp(source, source_port, destination, destination_port, payload):
    """An IPv4 or IPv6 packet with one UDP datagram."""
    source, destination = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    length = 8 + len(payload)
    pseudo = source.packed + destination.packed
    pseudo += struct.pack("!BBH", 0, 17, length) if source.version == 4 else struct.pack("!IHBB", length, 0, 0, 17)
    header = struct.pack("!HHHH", source_port, destination_port, length, 0)
    total = checksum(pseudo + header + payload) or 0xFFFF
    return ip(source, destination, 17, header[:6] + struct.pack("!H", total) + payload)


def ip(source, destination, protocol, payload, *, fragment=0):
    """`fragment`: IPv4's flags and offset as they lie in the header."""
    source, destination = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    if source.version == 6:
        return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + source.packed + destination.packed + payload
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, fragment, 64, protocol, 0)
    header += source.packed + destination.packed
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


@dataclasses.dataclass
class Injector:
    """Puts frames on one interface of a namespace, towards whoever is at its other end."""
    namespace: object
    interface: str
    link_destination: str
    link_source: str = "02:00:00:00:00:01"

    def __post_init__(self):
        self.socket = self.namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.bind((self.interface, 0))

    def frame(self, frame):
        self.socket.send(frame)

    def packet(self, packet):
        ethertype = 0x0800 if packet[0] >> 4 == 4 else 0x86DD
        links = bytes.fromhex((self.link_destination + self.link_source).replace(":", ""))
        self.frame(links + struct.pack("!H", ethertype) + packet)


def injector_towards(sites, site):
    """Frames that come out of the internet at this site's gateway."""
    return Injector(sites.internet, f"to-{site.letter}", site.namespace.link_address("out0"))
