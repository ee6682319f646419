"""Faults, acted out for real on lab nodes, at every write and command of a life from install to uninstall.

`faults` is the table: what is done to the node or the controller, and how it is ended again. `operations` numbers
what a run does to hosts, `controller` is nodeprov with these numbers told to us, `lives` takes a node through
install, upgrade, rollback and uninstall with a fault in each, and `judge` looks at the node after each.
"""
