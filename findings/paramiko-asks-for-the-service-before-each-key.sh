#!/bin/sh
# paramiko asks the server for the service `ssh-userauth` again before each key that it shows. RFC 4253 has a client ask once, when the
# keys of the connection are exchanged; OpenSSH's client does. So each key that a server does not take costs two round trips in place
# of one, with paramiko's usual Transport, which SSHClient and all that is built on it use: three keys are six answers to wait for.
# paramiko has a second transport, ServiceRequestingTransport, that asks once; nothing uses it unless SSHClient.connect gets it
# as `transport_factory`.
#
# Seen: with paramiko 5.1.0, its client and its server on loopback, the messages counted as the server gets them. Needs
# Python 3.11. Ends with 1 when it changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check paramiko==5.1.0
"$folder/venv/bin/python" - > "$folder/seen" << 'END'
import logging
import socket
import threading

import paramiko
from paramiko.common import MSG_SERVICE_REQUEST, MSG_USERAUTH_REQUEST

logging.getLogger("paramiko").addHandler(logging.NullHandler())
KEYS = [paramiko.ECDSAKey.generate() for _ in range(3)]


class Server(paramiko.ServerInterface):
    """Takes the last of the keys."""

    def get_allowed_auths(self, username):
        return "publickey"

    def check_auth_publickey(self, username, key):
        return paramiko.AUTH_SUCCESSFUL if key == KEYS[-1] else paramiko.AUTH_FAILED


def messages(factory):
    """Log in with each key after the other; return the messages for that which the server got, in order."""
    listening, got = socket.create_server(("127.0.0.1", 0)), []

    def serve():
        server = paramiko.Transport(listening.accept()[0])
        read = server.packetizer.read_message

        def noted():
            kind, message = read()
            got.append({MSG_SERVICE_REQUEST: "service", MSG_USERAUTH_REQUEST: "key"}.get(kind))
            return kind, message

        server.packetizer.read_message = noted
        server.add_server_key(KEYS[0])
        server.start_server(server=Server(), event=threading.Event())
        kept.append(server)

    threading.Thread(target=serve, daemon=True).start()
    client = factory(listening.getsockname())
    client.start_client(timeout=30)
    for key in KEYS:
        try:
            client.auth_publickey("someone", key)
        except paramiko.AuthenticationException:
            continue
    client.close()
    return " ".join(each for each in got if each)


kept = []
for factory in (paramiko.Transport, paramiko.ServiceRequestingTransport):
    print(f"{paramiko.__version__} {factory.__name__}: {messages(factory)}")
END
cat "$folder/seen"
diff "$folder/seen" - << 'END'
5.1.0 Transport: service key service key service key
5.1.0 ServiceRequestingTransport: service key key key
END
