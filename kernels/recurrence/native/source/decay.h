// Decay inside a chunk. G is the running sum of log decay (fp64: where it is steep, fp32 would not resolve its
// differences); scores are sum_d x_id k_jd exp(G_id - G_jd) for i >= j. Three forms, as in kernels/README.md:
// weighted (one decay a head: the matrix exp(G_i - G_j)), factored (one a channel: exp(G - R) to the rows, exp(R - G)
// to the keys, R halfway down), and pairwise (one a channel, too steep to factor: every pair its own exponentials).
#pragma once

#include "tiles.h"

namespace recurrence {
using namespace tiles;

enum Kind { NONE = 0, HEAD = 1, CHANNEL = 2 };

// Where G falls further than this in a chunk, factors around its middle would lose digits.
constexpr double REACH = 80.0;

struct Decay {
    int kind, chunk, key;        // C, padded Dk
    bool factored = false;
    double* sums = nullptr;      // G, [C] or [C, Dk]
    float* weights = nullptr;    // exp(G_i - G_j), [C, C]             (weighted)
    float* down = nullptr;       // exp(G - R), [C, Dk]                (factored)
    float* up = nullptr;         // exp(R - G), [C, Dk]                (factored)
    float* read = nullptr;       // exp(G), [C, Dk]
    float* left = nullptr;       // exp(G_C - G), [C, Dk]
    float* carried = nullptr;    // exp(G_C), [Dk]
    float* keys = nullptr;       // K, or K exp(R - G), [C, Dk]
    float* turned = nullptr;     // the same, transposed, [Dk, C]
    float* rows = nullptr;       // scratch: X exp(G - R), [C, Dk]
    float* d_rows = nullptr;     // scratch: its gradient

    void sum(const float* g, int64_t stride, int size, int count, int width);
    void prepare(const float* k, int size);
    void scores(float* out, const float* x, const float* k, int size, bool strict);
    void slopes(float* d_scores, const float* x, const float* k, float* d_x, float* d_k, int size);

  private:
    void spread(int size);
    void factor(int size);
    void pairs(float* out, const float* x, const float* k, int size);
    void pair_slopes(const float* d_scores, const float* x, const float* k, float* d_x, float* d_k, int size);
};

inline void multiply(float* out, const float* x, const float* y, int numbers) {
    for (int n = 0; n < numbers; n += LANES) at(out + n) = at(x + n) * at(y + n);
}

// Zero what lies above the diagonal, and the diagonal too where `strict`.
inline void keep_lower(float* square, int chunk, int size, bool strict) {
    for (int i = 0; i < size; ++i)
        for (int j = i + !strict; j < size; ++j) square[i * chunk + j] = 0;
}

// exp(upper - lower) of fp64 running sums, upper <= lower up to REACH
inline void fade(float* out, const double* upper, const double* lower, int width) {
    for (int d = 0; d < width; ++d) out[d] = float(upper[d] - lower[d]);
    for (int d = 0; d < width; d += LANES) at(out + d) = exponential(at(out + d));
}

// G and the factors made of it, from log decay g at `stride` floats a step; steps count..size are padding.
inline void Decay::sum(const float* g, int64_t stride, int size, int count, int width) {
    if (kind == NONE) return;
    const int columns = kind == HEAD ? 1 : key;
    load(rows, columns, g, stride, count, size, width);
    for (int d = 0; d < columns; ++d) sums[d] = rows[d];
    for (int i = 1; i < size; ++i)
        for (int d = 0; d < columns; ++d) sums[i * columns + d] = sums[(i - 1) * columns + d] + rows[i * columns + d];
    if (kind == HEAD) spread(size);
    else factor(size);
}

// One decay a head: the weights, and the factors repeated over the channels.
inline void Decay::spread(int size) {
    float* fading = rows;
    for (int i = 0; i < size; ++i) {
        for (int j = 0; j < size; ++j) fading[j] = j <= i ? float(sums[i] - sums[j]) : -100.0f;
        for (int j = 0; j < size; j += LANES) at(weights + i * chunk + j) = exponential(at(fading + j));
    }
    for (int i = 0; i < size; ++i) fading[i] = float(sums[i]);
    for (int i = 0; i < size; i += LANES) at(fading + i) = exponential(at(fading + i));
    for (int i = 0; i < size; ++i)
        for (int d = 0; d < key; d += LANES) {
            at(read + i * key + d) = Vector{} + fading[i];
            at(left + i * key + d) = Vector{} + weights[(size - 1) * chunk + i];
        }
    std::memcpy(carried, read + (size - 1) * key, key * sizeof(float));
}

// One decay a channel. R = G_C / 2, so that exp(R) is what both exp(G) and exp(G_C - G) lack of the factors.
inline void Decay::factor(int size) {
    const double* last = sums + (size - 1) * key;
    factored = true;
    for (int d = 0; d < key; ++d) factored = factored && last[d] > -REACH;
    if (!factored) {
        for (int i = 0; i < size; ++i) {
            for (int d = 0; d < key; ++d) read[i * key + d] = float(sums[i * key + d]);
            for (int d = 0; d < key; d += LANES) at(read + i * key + d) = exponential(at(read + i * key + d));
            fade(left + i * key, last, sums + i * key, key);
        }
        std::memcpy(carried, read + (size - 1) * key, key * sizeof(float));
        return;
    }
    float* half = carried;
    for (int d = 0; d < key; ++d) half[d] = float(0.5 * last[d]);
    for (int d = 0; d < key; d += LANES) at(half + d) = exponential(at(half + d));
    for (int i = 0; i < size * key; i += key) {
        for (int d = 0; d < key; ++d) down[i + d] = float(sums[i + d] - 0.5 * last[d]);
        for (int d = 0; d < key; d += LANES) {
            const Vector shrunk = exponential(at(down + i + d)), grown = exponential(-at(down + i + d));
            at(down + i + d) = shrunk;
            at(up + i + d) = grown;
            at(read + i + d) = shrunk * at(half + d);
            at(left + i + d) = grown * at(half + d);
        }
    }
    multiply(carried, half, half, key);
}

// The keys as the scores want them.
inline void Decay::prepare(const float* k, int size) {
    if (kind == CHANNEL && !factored) return;
    if (kind == CHANNEL) multiply(keys, k, up, size * key);
    transpose(turned, chunk, keys, key, size, key);
}

// out[C, C]: scores of x against the prepared keys, zero above the diagonal.
inline void Decay::scores(float* out, const float* x, const float* k, int size, bool strict) {
    if (kind == CHANNEL && !factored) {
        pairs(out, x, k, size);
    } else {
        if (kind == CHANNEL) multiply(rows, x, down, size * key);
        const float* readers = kind == CHANNEL ? rows : x;
        product<Put::set, Shape::corner>(out, chunk, plain(readers, key), turned, chunk, size, size, key);
        if (kind == HEAD) multiply(out, out, weights, size * chunk);
    }
    keep_lower(out, chunk, size, strict);
}

// Sets d_x, and adds to d_k, what they feel of the scores; d_scores [C, C] is zero above the diagonal, and is
// overwritten.
inline void Decay::slopes(float* d_scores, const float* x, const float* k, float* d_x, float* d_k, int size) {
    if (kind == CHANNEL && !factored) return pair_slopes(d_scores, x, k, d_x, d_k, size);
    if (kind == HEAD) multiply(d_scores, d_scores, weights, size * chunk);
    product<Put::set, Shape::lower>(d_x, key, plain(d_scores, chunk), keys, key, size, key, size);
    if (kind != CHANNEL) {
        product<Put::add, Shape::upper>(d_k, key, turned_over(d_scores, chunk), x, key, size, key, size);
        return;
    }
    multiply(d_x, d_x, down, size * key);
    multiply(rows, x, down, size * key);
    product<Put::set, Shape::upper>(d_rows, key, turned_over(d_scores, chunk), rows, key, size, key, size);
    for (int n = 0; n < size * key; n += LANES) at(d_k + n) += at(d_rows + n) * at(up + n);
}

// Scores pair by pair: any decay a channel.
inline void Decay::pairs(float* out, const float* x, const float* k, int size) {
    for (int i = 0; i < size; ++i)
        for (int j = 0; j <= i; ++j) {
            fade(rows, sums + i * key, sums + j * key, key);
            multiply(rows, rows, k + j * key, key);
            out[i * chunk + j] = dot(rows, x + i * key, key);
        }
}

inline void Decay::pair_slopes(const float* d_scores, const float* x, const float* k, float* d_x, float* d_k,
                               int size) {
    std::memset(d_x, 0, size * key * sizeof(float));
    for (int i = 0; i < size; ++i)
        for (int j = 0; j < i; ++j) {
            const float slope = d_scores[i * chunk + j];
            fade(rows, sums + i * key, sums + j * key, key);
            for (int d = 0; d < key; d += LANES) {
                const Vector faded = slope * at(rows + d);
                at(d_x + i * key + d) += faded * at(k + j * key + d);
                at(d_k + j * key + d) += faded * at(x + i * key + d);
            }
        }
}
}  // namespace recurrence
