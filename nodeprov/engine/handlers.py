"""Several handlers on one node, by one inventory: planned for one after the other, carried out as one run.

Design, and its names:

- `Node.handlers` has the settings of the handlers that an inventory names besides that of [runtime];
  `Node.views` is the node as each handler sees it, with its own settings and no others. All that knew one
  handler knows a view.
- Each view is looked at, checked and planned for by itself. `as_if_done` makes of a view's state what it will
  be when the plans of the views before it are done: the files, links, labels, the text of containerd's
  configuration, and their receipts. So a plan has what an install of one handler after the other would do, and
  who shares what is counted by receipts, as it always was.
- `together` makes one plan of them, in the order of one install: what nobody sees and its proofs, the links,
  one swap of the configuration with one restart, the proofs, the cluster, the garbage. Undo takes all of it
  back.
- `Planned.parts` are the plans of the views; each that has anything to do gets a receipt of its own.
  `Planned.looked` are the states as they were read.
- A proof's `subject` names the handler that it is about, where that is not the first one.
- The canary is a view like any other (`inventory.canary`): the handler of [runtime] with `-next` behind it, and
  so its RuntimeClass and its label. Its table is in containerd's configuration since the first install
  ([runtime] canary): `runtime_table.config_goals` declares it with ours whenever containerd restarts for ours,
  and never restarts it for that.
"""
