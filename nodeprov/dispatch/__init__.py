"""The engine run by the cluster itself: who makes a pod a node, in which order, and what becomes of it."""
