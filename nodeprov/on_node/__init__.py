"""The engine in a pod on the node that it works on: `python3 -m nodeprov.on_node`."""
