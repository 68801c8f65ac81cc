# expected: syntax_error
"""No Python at all."""

def forward(self, x:
    return
