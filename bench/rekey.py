"""Rekeying under load: what bench/rekey runs once the tunnel is up.

rekey.py run LAB MOON SUN [--json] [--count N] [--pps N]
rekey.py traffic FROM TO PPS

Numbered packets go both ways all the time. At each moment both daemons are told to rekey, by turns the child and the IKE SA;
the next moment comes when both have told the outcome, and before a child's turn also when replaced inbound SAs are gone.
SAs are counted in the data plane: one is outbound or inbound as long as its counters are there."""
import array
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time

PORT = 7000
OUTCOME_S = 60
DRAIN_S = 2


# ---- traffic: one process in each namespace ----

def traffic(source, destination, pps):
    """Says that it listens, sends from a line on stdin until stdin ends, receives DRAIN_S longer, prints what was sent
    (times) and seen (numbers)."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
    s.bind((source, PORT))
    s.connect((destination, PORT))
    s.setblocking(False)
    sent, seen, twice, unsent = array.array("d"), bytearray(), 0, 0
    print("listening", flush=True)
    os.read(0, 16)
    begin, end = time.monotonic(), None
    while end is None or time.monotonic() < end:
        now = time.monotonic()
        # After a pause of the machine what is due goes out in small lots.
        for _ in range(8):
            if end is not None or now < begin + (len(sent) + unsent) / pps:
                break
            try:
                s.send(struct.pack(">I", len(sent)) + bytes(60))
                sent.append(now)
            except OSError:
                unsent += 1
        ready = select.select([s] if end else [s, 0], [], [], 0.5 / pps)[0]
        if 0 in ready:
            end = time.monotonic() + DRAIN_S
        while s in ready:
            try:
                number = struct.unpack(">I", s.recv(2048)[:4])[0]
            except OSError:
                break
            if number >= len(seen):
                seen.extend(bytes(number + 1 - len(seen)))
            twice += seen[number]
            seen[number] = 1
    json.dump({"sent": [round(t, 6) for t in sent], "unsent": unsent, "twice": twice, "highest": len(seen),
               "missing": [n for n, is_seen in enumerate(seen) if not is_seen]}, sys.stdout)


# ---- VICI, as much of it as is needed ----

class Vici:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(path)

    def send(self, kind, name, keys=()):
        body = bytes([kind, len(name)]) + name.encode()
        for key, value in keys:
            body += bytes([3, len(key)]) + key.encode() + struct.pack(">H", len(value)) + value.encode()
        self.socket.sendall(struct.pack(">I", len(body)) + body)

    def take(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise EOFError("the daemon closed its control socket")
            data += more
        return data

    def receive(self):
        """(kind, name of an event, tree)"""
        data = self.take(struct.unpack(">I", self.take(4))[0])
        kind, at, name = data[0], 1, ""
        if kind == 7:
            at = 2 + data[1]
            name = data[2:at].decode()
        return kind, name, parse(data[at:])

    def register(self, name):
        self.send(3, name)
        if self.receive()[0] != 5:
            raise OSError(f"event {name} is not known")


def parse(data):
    root, at = {}, 0
    stack = [root]

    def text(width):
        nonlocal at
        size = int.from_bytes(data[at:at + width], "big")
        at += width + size
        return data[at - size:at].decode("utf-8", "replace")

    while at < len(data):
        kind = data[at]
        at += 1
        if kind in (1, 4):
            name = text(1)
            inner = {} if kind == 1 else []
            stack[-1][name] = inner
            stack.append(inner)
        elif kind in (2, 6):
            stack.pop()
        elif kind == 3:
            name = text(1)
            stack[-1][name] = text(2)
        else:
            stack[-1].append(text(2))
    return root


# ---- one daemon ----

class Host:
    def __init__(self, lab, name, namespace):
        path = f"{lab}/{name}/vici"
        self.name, self.namespace = name, namespace
        self.commands, self.polls, self.events = Vici(path), Vici(path), Vici(path)
        self.polls.register("list-sa")
        self.told = {"child-rekey": 0, "ike-rekey": 0}
        self.out_most = self.in_most = self.ike_most = self.polled = 0
        self.out_now = self.in_now = self.ike_now = 0
        self.failures = []
        for event in self.told:
            self.events.register(event)

    def poll(self):
        """Counts the SAs that stand now."""
        outbound = inbound = ike = 0
        self.polls.send(0, "list-sas")
        while True:
            kind, _, tree = self.polls.receive()
            if kind == 1:
                break
            for sa in tree.values():
                ike += 1
                for child in sa.get("child-sas", {}).values():
                    outbound += "packets-out" in child
                    inbound += "packets-in" in child
        self.out_now, self.in_now, self.ike_now = outbound, inbound, ike
        self.out_most = max(self.out_most, outbound)
        self.in_most = max(self.in_most, inbound)
        self.ike_most = max(self.ike_most, ike)
        self.polled += 1

    def take_events(self):
        while select.select([self.events.socket], [], [], 0)[0]:
            self.told[self.events.receive()[1]] += 1

    def tun_drops(self):
        """Packets that the kernel dropped before the daemon could read them."""
        links = subprocess.run(["ip", "-n", self.namespace, "-s", "-j", "link"], check=True, capture_output=True).stdout
        return sum(link["stats64"]["tx"]["dropped"] for link in json.loads(links)
                   if link["ifname"] not in ("lo", "eth0"))


def poll_until(hosts, done, limit_s):
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        for host in hosts:
            host.poll()
        if done():
            return True
        time.sleep(0.002)
    return False


def moment(hosts, what, number):
    """Both rekey at once; true if both told an outcome."""
    keys = [("child", "lan") if what == "child" else ("ike", "bench"), ("loglevel", "-1")]
    for host in hosts:
        host.commands.send(0, "rekey", keys)
    left = list(hosts)

    def outcomes():
        for host in list(left):
            host.take_events()
            while host in left and select.select([host.commands.socket], [], [], 0)[0]:
                kind, _, tree = host.commands.receive()
                if kind == 7:
                    continue
                left.remove(host)
                if tree.get("success") != "yes":
                    host.failures.append({"moment": number, "of": what, **{
                        k: v for k, v in tree.items() if k in ("errmsg", "cause", "matches", "expected", "seen")}})
        return not left

    if not poll_until(hosts, outcomes, OUTCOME_S):
        for host in left:
            host.failures.append({"moment": number, "of": what, "errmsg": f"no outcome within {OUTCOME_S} s"})
        return False
    return True


def at_rest(hosts):
    return all(h.in_now == 1 and h.out_now == 1 and h.ike_now == 1 for h in hosts)


def count_lost(senders, moments):
    """Those sent by one that the other never saw, with how long after the last moment they were sent."""
    lost = []
    for (name, here), (_, there) in (senders, senders[::-1]):
        for number in there["missing"] + list(range(there["highest"], len(here["sent"]))):
            sent = here["sent"][number]
            before = [m for m in moments if m[0] <= sent]
            lost.append({"by": name, "number": number, "moment": len(before) - 1,
                         "of": before[-1][1] if before else "-",
                         "ms_after": round((sent - before[-1][0]) * 1e3, 2) if before else 0})
    return lost


def run(lab, namespaces, count, pps, wants_json):
    hosts = [Host(lab, name, ns) for name, ns in zip(("moon", "sun"), namespaces)]
    inner = ("10.1.0.1", "10.2.0.1")
    senders = []
    moments = []
    begin = time.monotonic()
    try:
        for i, namespace in enumerate(namespaces):
            senders.append(subprocess.Popen(
                ["ip", "netns", "exec", namespace, sys.executable, os.path.abspath(__file__), "traffic", inner[i],
                 inner[1 - i], str(pps)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        for sender in senders:
            sender.stdout.readline()
        for sender in senders:
            sender.stdin.write("go\n")
            sender.stdin.flush()
        time.sleep(1)
        for number in range(count // 2):
            what = "ike" if number % 2 else "child"
            if what == "child" and not poll_until(hosts, lambda: at_rest(hosts), OUTCOME_S):
                print(f"bench rekey: moment {number}: not at rest within {OUTCOME_S} s:", ", ".join(
                    f"{h.name}: {h.out_now} outbound, {h.in_now} inbound, {h.ike_now} IKE" for h in hosts), file=sys.stderr)
                break
            moments.append((time.monotonic(), what))
            if not moment(hosts, what, number):
                break
        poll_until(hosts, lambda: False, 1.5)
        for host in hosts:
            host.take_events()
        seconds = time.monotonic() - begin
        for sender in senders:
            sender.stdin.close()
        seen = [json.loads(sender.stdout.read()) for sender in senders]
        drops = sum(host.tun_drops() for host in hosts)
    finally:
        for sender in senders:
            sender.kill()
            sender.wait()
    lost = count_lost(list(zip(("moon", "sun"), seen)), moments)
    sent = sum(len(s["sent"]) for s in seen)
    failures = [{"by": h.name, **f} for h in hosts for f in h.failures]
    rekeys = 2 * len(moments)
    # Where two crossed, each side tells of one replacement: the loser's SA never came into use.
    told = {kind: sum(h.told[f"{kind}-rekey"] for h in hosts) for kind in ("child", "ike")}
    crossed = {kind: 2 * sum(m[1] == kind for m in moments) - told[kind] // 2 for kind in told}
    result = {
        "name": "rekey", "value": len(lost), "unit": "packets lost", "limit": 0, "share": (sent - len(lost)) / sent,
        "rekeys": rekeys, "wanted": count // 2 * 2, "failed": len(failures),
        "outbound_most": max(h.out_most for h in hosts), "inbound_most": max(h.in_most for h in hosts),
        "ike_most": max(h.ike_most for h in hosts), "packets": sent, "twice": sum(s["twice"] for s in seen),
        "unsent": sum(s["unsent"] for s in seen), "tun_drops": drops, "polls": sum(h.polled for h in hosts),
        "moments_crossed": crossed, "seconds": round(seconds, 1),
        "losses": lost[:50], "failures": failures[:50]}
    if wants_json:
        print(json.dumps(result))
    else:
        print(f"rekeying under load: both sides at the same moments, {pps} packets a second each way\n"
              f"  rekeys asked for       {rekeys} in {result['seconds']} s, by turns CHILD and IKE\n"
              f"  moments they crossed   {crossed['child']} and {crossed['ike']} of {len(moments)}\n"
              f"  rekeys that failed     {len(failures)}\n"
              f"  packets lost           {len(lost)} of {sent} (limit 0); {drops} before the daemon had them\n"
              f"  SAs of the child       at most {result['outbound_most']} outbound, {result['inbound_most']} inbound a side"
              f" ({result['polls']} looks)\n"
              f"  IKE SAs                at most {result['ike_most']} a side")
        for loss in lost[:10]:
            print("  lost:", loss)
        for failure in failures[:10]:
            print("  failed:", failure)
    return 0 if not lost and not failures and rekeys == count // 2 * 2 else 1


def main(arguments):
    if arguments[0] == "traffic":
        traffic(arguments[1], arguments[2], float(arguments[3]))
        return 0
    lab, namespaces, options = arguments[1], arguments[2:4], arguments[4:]
    numbers, wants_json = {"--count": 1000, "--pps": 500}, False
    while options:
        option = options.pop(0)
        if option == "--json":
            wants_json = True
        elif option in numbers and options and options[0].isdigit() and int(options[0]) > 1:
            numbers[option] = int(options.pop(0))
        else:
            print("bench rekey: usage: bench/rekey [--json] [--count N] [--pps N]", file=sys.stderr)
            return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return run(lab, namespaces, numbers["--count"], numbers["--pps"], wants_json)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
