"""What `nodeprov verify` checks: functions named `check_...`, each one's docstring is its title.

A check takes what it works with by the names of its parameters: `subject` (the node, and what is known of it),
`host` (testinfra's host), `pod` (a pod of our own on the node), and what else `Given` has. The runner calls it
with these. pytest does so too, where fixtures have these names: tests/lab/test_checks.py shows it.

A check that fails says what is wrong and what to type. What cannot hold while another check fails `needs` that
one, and is not looked at then: so a cause is reported once, and not by all that it brings about.
"""
