"""The recurrence as one compiled loop over chunks for the CPU: optional, built at install where a C++ compiler is.

What the portable chunk form does in many products of many small matrices, this does head by head with everything about
a chunk in a core's cache. `source/` holds the C++: `tiles.h` small dense tiles, `ahead.h` fetching from memory,
`decay.h` and `delta.h` what depends on the kind, `chunk.h` one chunk, `recurrence.cpp` forward and backward.
"""
