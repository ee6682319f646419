"""What is found out about workloads in a cluster: by pods of our own, and by what the cluster says of others'."""
