"""half_open.py DESTINATION SOURCE...: leaves half-open IKE SAs at DESTINATION, one for each SOURCE.

Sends from port 500 of each SOURCE an IKE_SA_INIT request for aes128gcm16-prfsha256-x25519 and waits for the answer, which is
not followed by anything."""
import os
import socket
import struct
import sys


def payload(following, body):
    return struct.pack(">BBH", following, 0, len(body) + 4) + body


def transform(last, kind, number, attributes=b""):
    return struct.pack(">BBHBBH", 0 if last else 3, 0, 8 + len(attributes), kind, 0, number) + attributes


def request():
    transforms = (transform(False, 1, 20, struct.pack(">HH", 0x800E, 128)) + transform(False, 2, 5)
                  + transform(True, 4, 31))
    proposal = struct.pack(">BBHBBBB", 0, 0, 8 + len(transforms), 1, 1, 0, 3) + transforms
    body = (payload(34, proposal) + payload(40, struct.pack(">HH", 31, 0) + os.urandom(32))
            + payload(0, os.urandom(32)))
    header = os.urandom(8) + bytes(8) + struct.pack(">BBBBII", 33, 0x20, 34, 0x08, 0, 28 + len(body))
    return header + body


answers = 0
for source in sys.argv[2:]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((source, 0))
        s.settimeout(10)
        s.sendto(request(), (sys.argv[1], 500))
        answers += len(s.recv(4096)) > 28
print(f"{answers} answers")
