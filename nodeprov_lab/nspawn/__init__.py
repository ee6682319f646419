"""The lab of containers: three machines of systemd-nspawn on this one. No hypervisor, no cloud, up in seconds."""
