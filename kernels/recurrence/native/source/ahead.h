// Fetching ahead: the rows that the next chunk reads, and those that this one will write, are asked for while this one
// computes, a few cache lines with every stretch of a product. All at once they would wait for one another, and the
// core for them. Where everything is in cache already it costs next to nothing.
#pragma once

#include <cstdint>

namespace tiles {

class Ahead {
  public:
    void clear() { known = now = row = line = 0; }

    // Rows of `width` floats, `stride` floats from one to the next.
    void want(const float* x, int64_t stride, int64_t rows, int64_t width) {
        wanted[known++] = {x, stride, rows, (width + LINE - 1) / LINE};
    }

    void fetch() {
        for (int n = 0; n < LINES && now < known; ++n) {
            const Rows& next = wanted[now];
            __builtin_prefetch(next.x + row * next.stride + line * LINE);
            if (++line < next.lines) continue;
            line = 0;
            if (++row < next.rows) continue;
            row = 0;
            ++now;
        }
    }

  private:
    static constexpr int LINE = 16, LINES = 8, MOST = 8;  // floats of a line, lines a stretch, kinds of rows
    struct Rows {
        const float* x;
        int64_t stride, rows, lines;
    };
    Rows wanted[MOST] = {};
    int known = 0, now = 0;
    int64_t row = 0, line = 0;
};

inline thread_local Ahead ahead;

}  // namespace tiles
