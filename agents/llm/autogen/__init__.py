"""AutoGen as the library behind the seam of `agents.llm.conversation`. Nothing else imports AutoGen."""
