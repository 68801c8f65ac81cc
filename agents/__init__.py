"""The agents: director, researcher, engineer, analyst and the human desk, as pure roles (`bus.delivery.role`).

`agents.roles` has one module for each; the other folders hold what they decide with. Nothing here imports torch, and
only `agents.llm.autogen` imports AutoGen, when a client is made: an agent's process stays small.
"""
