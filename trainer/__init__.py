"""Where a candidate is tested and trained: gates, the model around it, tasks, training, monitor and scores.

- `role`, `service`: the trainer's decisions, and the process that carries them out;
- `standalone`: the same for a single file, without a lab;
- `run`: one run as seen from outside the jail (no torch);
- `inside`: the workers in the jail, the model, the optimiser and the training loop;
- `gates`, `candidate`: in the jail too; they check a candidate, and load and call it;
- `tasks`, `scales`: read on both sides.
"""
