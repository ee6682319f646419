"""What containerd says where its CRI plugin does not work."""

# `ctr plugins ls -d` of containerd 2.4.2, shortened to two plugins that work and three that do not.
REFUSED = "invalid cri image config: `mirrors` cannot be set when `config_path` is provided"
DETAIL = f"""Type:             io.containerd.snapshotter.v1
ID:               devmapper
Platforms:        linux/amd64
Error:
                  Code:        Unknown
                  Message:     devmapper not configured: skip plugin

Type:             io.containerd.cri.v1
ID:               images
Requires:
                  io.containerd.lease.v1
Error:
                  Code:        Unknown
                  Message:     {REFUSED}

Type:             io.containerd.cri.v1
ID:               runtime
Requires:
                  io.containerd.warning.v1

Type:             io.containerd.grpc.v1
ID:               cri
Error:
                  Code:        Unknown
                  Message:     unable to load CRI image service plugin dependency: {REFUSED}
"""
