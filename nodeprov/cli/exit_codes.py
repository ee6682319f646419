"""What the process ends with."""

DONE, FAILED, WRONG, PENDING = 0, 1, 2, 3

EXIT_CODES = """\
Exit codes:
0  done, or nothing to do
1  failed, or interrupted: the node that failed was rolled back, those before it are done
2  the command line or the inventory is wrong
3  plan: changes are pending; status: a run is in progress, or did not finish
4  a node was left between two states; look at the report"""
