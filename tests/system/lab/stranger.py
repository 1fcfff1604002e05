"""Another implementation of DTLS as the far end: openssl s_client or s_server, with a TUN device behind it.

Packet pipes (pipe2 with O_DIRECT) keep the boundaries: what openssl reads at once it puts into one record, and what was
one record it writes at once."""

import fcntl
import os
import select
import struct
import threading

from .program import Program, run

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000


def make_certificate(folder, name):
    """A key pair of the stranger's own, by openssl, and its pin."""
    key, certificate = folder / f"{name}.key", folder / f"{name}.crt"
    run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 2,
         "-subj", f"/CN={name}", "-keyout", key, "-out", certificate])
    pipeline = f"openssl x509 -in {certificate} -noout -pubkey | openssl pkey -pubin -outform der | " \
               "openssl dgst -sha256 -binary | openssl base64"
    return key, certificate, "pin-sha256:" + run(["bash", "-c", pipeline]).stdout.strip()


class Stranger:
    """`argv`: openssl's command line. Inner packets go between it and `interface` in its namespace."""

    def __init__(self, namespace, argv, interface="tun0", addresses=(), routes=()):
        self.namespace, self.frames = namespace, []
        self._tun = self._open_tun(interface)
        namespace.address(interface, *addresses)
        namespace.ip("link", "set", interface, "mtu", 1280, "up")
        for route in routes:
            namespace.ip("route", "add", route, "dev", interface)
        near_stdin, self._to_ssl = os.pipe2(os.O_DIRECT | os.O_CLOEXEC)
        self._from_ssl, near_stdout = os.pipe2(os.O_DIRECT | os.O_CLOEXEC)
        self.program = namespace.lab.keep(
            Program([*namespace.prefix(), *argv], stdin=near_stdin, stdout=near_stdout))
        os.close(near_stdin)
        os.close(near_stdout)
        self._quit_read, self._quit = os.pipe2(os.O_CLOEXEC)
        self._pump = threading.Thread(target=self._carry, daemon=True)
        self._pump.start()
        namespace.lab.keep_open(self)

    def _open_tun(self, interface):
        # The device is made in our own namespace's name, then moved: only its descriptor is needed here.
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        temporary = f"cvt{os.getpid() % 100000}x{id(self) % 1000}"
        fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", temporary.encode(), IFF_TUN | IFF_NO_PI))
        run(["ip", "link", "set", temporary, "netns", self.namespace.full_name, "name", interface])
        return descriptor

    def _carry(self):
        while True:
            ready, _, _ = select.select([self._tun, self._from_ssl, self._quit_read], [], [])
            if self._quit_read in ready:
                return
            try:
                if self._tun in ready:
                    os.write(self._to_ssl, os.read(self._tun, 4096))
                if self._from_ssl in ready:
                    record = os.read(self._from_ssl, 65536)
                    if not record:
                        return
                    if record[0] >> 4 in (4, 6):
                        os.write(self._tun, record)
                    else:
                        self.frames.append(record)  # control frames mean nothing to it
            except OSError:
                return  # openssl has ended

    def close(self):
        if self._quit is None:
            return
        os.write(self._quit, b"x")
        self._pump.join(5)
        self.program.stop(deadline=3)
        for descriptor in (self._tun, self._to_ssl, self._from_ssl, self._quit_read, self._quit):
            os.close(descriptor)
        self._quit = None


def s_client(namespace, target, key, certificate, **options):
    argv = ["openssl", "s_client", "-dtls1_2", "-nbio", "-quiet", "-connect", target, "-key", key, "-cert",
            certificate]
    return Stranger(namespace, argv, **options)


def s_server(namespace, port, key, certificate, **options):
    argv = ["openssl", "s_server", "-dtls1_2", "-quiet", "-listen", "-accept", port, "-key", key, "-cert", certificate,
            "-Verify", 1, "-verify_quiet"]
    return Stranger(namespace, argv, **options)
