"""People: what their words ask the lab to do, and what the desk tells them in return."""
