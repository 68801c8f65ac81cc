"""One run, as seen from outside the sandbox: monitored training, examination, scores and the events that result."""
