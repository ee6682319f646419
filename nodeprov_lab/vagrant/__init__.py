"""The lab of virtual machines: Vagrant's, each with a kernel, cgroup v2 and a power cord of its own."""
