"""One run, seen from outside the sandbox: training under watch, examination, scores and the events they make."""
