// Prefetching: while one chunk computes, the rows that the next chunk reads, and those that this one will write, are
// fetched, a few cache lines with every few rows of a product. Fetched all at once they would wait for one another, and
// the core for them. If everything is in cache already, this costs almost nothing.
#pragma once

#include <cstdint>

namespace tiles {

class Prefetcher {
  public:
    void clear() { count = current = row = line = 0; }

    // Add rows of `width` floats, `stride` floats from one to the next.
    void add(const float* x, int64_t stride, int64_t rows, int64_t width) {
        queue[count++] = {x, stride, rows, (width + LINE_FLOATS - 1) / LINE_FLOATS};
    }

    void fetch_some() {
        for (int n = 0; n < LINES_PER_CALL && current < count; ++n) {
            const Rows& next = queue[current];
            __builtin_prefetch(next.x + row * next.stride + line * LINE_FLOATS);
            if (++line < next.lines) continue;
            line = 0;
            if (++row < next.rows) continue;
            row = 0;
            ++current;
        }
    }

  private:
    static constexpr int LINE_FLOATS = 16, LINES_PER_CALL = 8, MAX_ENTRIES = 8;
    struct Rows {
        const float* x;
        int64_t stride, rows, lines;
    };
    Rows queue[MAX_ENTRIES] = {};
    int count = 0, current = 0;
    int64_t row = 0, line = 0;
};

inline thread_local Prefetcher prefetcher;

}  // namespace tiles
