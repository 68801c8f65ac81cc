# expected: syntax_error
"""Not Python."""

def forward(self, x:
    return
