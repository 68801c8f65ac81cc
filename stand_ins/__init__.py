"""Stand-ins for packages that published layers import: such a layer runs as it is, in plain torch."""
