"""Agent Framework, AutoGen's successor, behind the seam of `agents.llm.conversation`. Nothing else imports it."""
