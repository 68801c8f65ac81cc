"""The roles: director, researcher, engineer, analyst and human desk, one file each."""
