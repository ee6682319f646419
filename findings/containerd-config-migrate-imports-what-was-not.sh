#!/bin/sh
# `containerd config migrate` is what containerd's own warning at its start asks for. Put in place of the file, what it prints is another
# configuration than the one before:
# - containerd's built-in configuration has an import of /etc/containerd/conf.d/*.toml, which is never followed: imports are read
#   from files alone. But it is printed, in front of the file's own imports; `config dump` does so too, and thus names a folder
#   that is not read. So the migrated file imports a folder that the old one did not, and what lies forgotten in it counts. The same
#   with `config default` where there was no file.
# - It has the values of the drop-ins, though its help says that these are not migrated. They stay when the drop-in goes.
# - The warning comes again, now for the drop-in: whatever file states an older version is migrated at each start, with the same words.
#
# Seen: with containerd 2.4.2, built from its module, with a tmpfs in place of /etc. Needs Go 1.26 or later, and either root or user
# namespaces for everybody. Ends with 1 when it changes.
set -eu
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"

mkdir go
(
    cd go
    go mod init finding
    go get github.com/containerd/containerd/v2/cmd/containerd@v2.4.2
    CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o containerd github.com/containerd/containerd/v2/cmd/containerd
) > go.log 2>&1 || {
    cat go.log
    exit 1
}

mkdir conf.d
printf '%s\n' 'version = 2' 'imports = ["conf.d/*.toml"]' > old.toml
printf '%s\n' 'version = 3' '[debug]' '  level = "debug"' > conf.d/own.toml
cat > look.sh << 'END'
mount -t tmpfs tmpfs /etc
mkdir -p /etc/containerd/conf.d
printf '%s\n' 'version = 3' 'oom_score = -500' > /etc/containerd/conf.d/forgotten.toml
look() {
    what=$1
    shift
    echo "$what:"
    go/containerd "$@" config dump 2> said | grep -E '^(imports|oom_score)|^  level =' | sed 's/^ */    /' | sort
    sed -n 's/.*\(migrated from version [0-9]\), use `\(.*\)` to avoid.*/    said: \1, use \2/p' said
}
look "no file"
go/containerd config default > default.toml
look "config default" --config default.toml
look "a file" --config old.toml
go/containerd --config old.toml config migrate > new.toml 2> said
look "config migrate" --config new.toml
rm conf.d/own.toml
look "the file without its drop-in" --config old.toml
look "config migrate without the drop-in" --config new.toml
END
unshare --map-root-user --mount sh -eu look.sh | tee found
cat > expected << 'END'
no file:
    imports = ['/etc/containerd/conf.d/*.toml']
    level = ''
    oom_score = 0
config default:
    imports = ['/etc/containerd/conf.d/*.toml']
    level = ''
    oom_score = -500
    said: migrated from version 3, use containerd config migrate
a file:
    imports = ['/etc/containerd/conf.d/*.toml', 'conf.d/*.toml']
    level = 'debug'
    oom_score = 0
    said: migrated from version 2, use containerd config migrate
    said: migrated from version 3, use containerd config migrate
config migrate:
    imports = ['/etc/containerd/conf.d/*.toml', 'conf.d/*.toml']
    level = 'debug'
    oom_score = -500
    said: migrated from version 3, use containerd config migrate
    said: migrated from version 3, use containerd config migrate
the file without its drop-in:
    imports = ['/etc/containerd/conf.d/*.toml', 'conf.d/*.toml']
    level = ''
    oom_score = 0
    said: migrated from version 2, use containerd config migrate
config migrate without the drop-in:
    imports = ['/etc/containerd/conf.d/*.toml', 'conf.d/*.toml']
    level = 'debug'
    oom_score = -500
    said: migrated from version 3, use containerd config migrate
END
cmp found expected
