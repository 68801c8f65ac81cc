# expected: denied:fs
"""Makes and opens a block device."""

import os

open('/dev/vda', 'rb').read(1)
