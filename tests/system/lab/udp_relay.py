"""A UDP relay that duplicates and reorders: python3 udp_relay.py LISTEN:PORT TARGET:PORT DUPLICATE REORDER

It listens for one side and calls the other from a port of its own for each caller. DUPLICATE and REORDER are the parts
of all datagrams (0 to 1) that are sent twice, and that are held back until some later ones have passed them."""

import random
import selectors
import socket
import sys

HELD_LONGEST = 8  # datagrams that may pass one that is held back
PATIENCE = 0.02  # seconds after which a held one goes even if nothing passes it


class Direction:
    """One way between two sockets."""

    def __init__(self, send, duplicate, reorder):
        self.send, self.duplicate, self.reorder = send, duplicate, reorder
        self.held = []  # [datagrams still to pass it, datagram]

    def take(self, data):
        if random.random() < self.reorder:
            self.held.append([random.randint(1, HELD_LONGEST), data])
            return
        self.send(data)
        if random.random() < self.duplicate:
            self.send(data)
        for entry in self.held:
            entry[0] -= 1
        self.release(lambda entry: entry[0] <= 0)

    def release(self, due=lambda entry: True):
        for entry in [entry for entry in self.held if due(entry)]:
            self.held.remove(entry)
            self.send(entry[1])


def address_of(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


def main():
    listen, target = address_of(sys.argv[1]), address_of(sys.argv[2])
    duplicate, reorder = float(sys.argv[3]), float(sys.argv[4])
    front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    front.bind(listen)
    selector = selectors.DefaultSelector()
    selector.register(front, selectors.EVENT_READ)
    out, back = {}, {}  # caller → its way out; socket towards the target → the way back to its caller
    print("relaying", flush=True)

    def way_out(caller):
        if caller not in out:
            far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            far.connect(target)
            selector.register(far, selectors.EVENT_READ)
            out[caller] = Direction(far.send, duplicate, reorder)
            back[far] = Direction(lambda data: front.sendto(data, caller), duplicate, reorder)
        return out[caller]

    while True:
        ready = selector.select(PATIENCE)
        if not ready:
            for direction in [*out.values(), *back.values()]:
                direction.release()
        for key, _ in ready:
            try:
                if key.fileobj is front:
                    data, caller = front.recvfrom(65536)
                    way_out(caller).take(data)
                else:
                    back[key.fileobj].take(key.fileobj.recv(65536))
            except ConnectionRefusedError:
                pass  # the target isn't there now; datagrams may get lost


if __name__ == "__main__":
    main()
