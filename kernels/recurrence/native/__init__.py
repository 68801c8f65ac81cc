"""The recurrence as one compiled loop over chunks for the CPU; an install builds it if it finds a C++ compiler.

The chunked backend computes many products of many small matrices. This one computes head by head, with all data of a
chunk in a core's cache. `source/` holds the C++: `tiles.h` small dense tiles, `prefetch.h` prefetching from memory,
`decay.h` and `delta.h` the parts that depend on the kind, `chunk.h` one chunk, `recurrence.cpp` forward and backward.
"""
