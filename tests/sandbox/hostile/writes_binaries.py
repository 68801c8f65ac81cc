# expected: denied:fs
"""Plants a program on the path."""

open('/usr/bin/owned', 'w').write('x')
