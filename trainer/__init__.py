"""Where an architecture is tried: jail, gates, the model around it, tasks, training, monitor, scoring.

Parent side (no torch): `trial`, `service`, `role`, `standalone`, `examination`, `evaluator`, `monitor`, `tasks`. Child
side, inside the jail: `child`, `examinee`, `handover`, `loop`, `model`, `adapter`, `adamw`, `flops`, `gates`, `compat`.
`scales` is read on both.
"""
