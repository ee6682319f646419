#!/bin/sh
# paramiko's SSHConfig (5.1.0, and fabric above it) gives other values than OpenSSH for lines that both accept without a
# word: a comment behind a value is a part of the value (so the host's name is one that does not resolve); of keywords that
# OpenSSH adds up, CertificateFile and SendEnv, only the first line counts, though those of IdentityFile add up; a span such
# as 2m stays text (fabric: int("2m") fails); and the name of a host keeps its capitals, so that known_hosts is searched for
# another name than OpenSSH writes there.
#
# Seen: the lines in `expected` below, for paramiko and for `ssh -G` (OpenSSH 8.7 or later). Needs Python 3.9 with venv.
# Ends with 1 when any has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

cat > config << 'END'
Host node
    HostName Node.Example.ORG # the first rack
    IdentityFile /keys/one
    IdentityFile /keys/two
    CertificateFile /certificates/one
    CertificateFile /certificates/two
    SendEnv LANG
    SendEnv TERM
    ConnectTimeout 2m
END
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check paramiko==5.1.0
cat > read.py << 'END'
import paramiko

for name, value in sorted(paramiko.SSHConfig.from_path("config").lookup("node").items()):
    print(name, *(value if isinstance(value, list) else [value]))
END
{
    echo paramiko
    venv/bin/python read.py
    echo OpenSSH
    ssh -G -F config node 2> /dev/null |
        sort -s -k 1,1 | grep -E '^(certificatefile|connecttimeout|hostname|identityfile|sendenv) '
} | tee found
cat > expected << 'END'
paramiko
certificatefile /certificates/one
connecttimeout 2m
hostname Node.Example.ORG # the first rack
identityfile /keys/one /keys/two
sendenv LANG
OpenSSH
certificatefile /certificates/one
certificatefile /certificates/two
connecttimeout 120
hostname node.example.org
identityfile /keys/one
identityfile /keys/two
sendenv LANG
sendenv TERM
END
cmp found expected
