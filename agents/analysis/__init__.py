"""Analysis: fitness, findings, weaknesses, quarantine and answers to people."""
