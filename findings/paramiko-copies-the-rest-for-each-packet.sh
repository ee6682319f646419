#!/bin/sh
# paramiko's Channel.sendall sends a packet of 32 KiB at most, and copies all that is left, for each packet: what is copied grows with the
# square of the length. 16 MiB cost about 256 times their own size; a standard input of 56 MB kept a processor busy for 20 seconds, and in pieces
# for 0.1. Its documentation says nothing of long strings, and exec_command's stdin leads there too. Whoever sends much has to
# call it with pieces.
#
# Seen: with paramiko 5.1.0, a client and a server in one process; counted is what bytes that note their slices are asked to copy. Needs
# Python 3.11. Ends with 1 when it changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check paramiko==5.1.0

cat > send.py << 'END'
import math
import socket
import threading

import paramiko

MIB = 1 << 20
copied = 0


class Noting(bytes):
    """Bytes that note what their slices copy."""

    def __getitem__(self, key):
        global copied
        found = super().__getitem__(key)
        if isinstance(key, slice):
            copied += len(found)
            return Noting(found)
        return found


class Server(paramiko.ServerInterface):
    def check_auth_none(self, username):
        return paramiko.AUTH_SUCCESSFUL

    def get_allowed_auths(self, username):
        return "none"

    def check_channel_request(self, kind, chanid):
        return paramiko.OPEN_SUCCEEDED


ours, theirs = socket.socketpair()
server = paramiko.Transport(theirs)
server.add_server_key(paramiko.ECDSAKey.generate())
server.start_server(event=threading.Event(), server=Server())
client = paramiko.Transport(ours)
client.start_client()
client.auth_none("user")
channel = client.open_session()
there = server.accept(10)


def received(length):
    while length:
        length -= len(there.recv(min(length, MIB)))


def tell(what, pieces):
    global copied
    copied = 0
    length = sum(map(len, pieces))
    reading = threading.Thread(target=received, args=(length,))
    reading.start()
    for piece in pieces:
        channel.sendall(piece)
    reading.join()
    print(f"{what}: about {2 ** round(math.log2(copied / length))} times their size is copied")


tell("4 MiB", [Noting(4 * MIB)])
tell("16 MiB", [Noting(16 * MIB)])
tell("16 MiB in pieces of 64 KiB", [Noting(MIB // 16) for _ in range(256)])
client.close()
server.close()
END
venv/bin/python send.py | tee found
cat > expected << 'END'
4 MiB: about 64 times their size is copied
16 MiB: about 256 times their size is copied
16 MiB in pieces of 64 KiB: about 2 times their size is copied
END
cmp found expected
