// Decay inside a chunk. G is the running sum of log decay, in fp64: if it is steep, fp32 would not resolve its
// differences. Scores are sum_d x_id k_jd exp(G_id - G_jd) for i >= j. There are three forms, as in kernels/README.md:
// - weighted (one decay a head): the matrix exp(G_i - G_j);
// - factored (one a channel): exp(G - R) to the rows and exp(R - G) to the keys, with R = G_C / 2;
// - pairwise (one a channel, too steep to factor): exponentials for every pair.
#pragma once

#include "tiles.h"

namespace recurrence {
using namespace tiles;

enum Kind { NONE = 0, HEAD = 1, CHANNEL = 2 };

// If G falls further than this in a chunk, in nats, factors around its middle would lose digits.
constexpr double FACTORED_LIMIT = 80.0;

struct Decay {
    int kind, chunk, key;              // chunk: C; key: padded Dk
    bool factored = false;
    double* sums = nullptr;            // G, [C] or [C, Dk]
    float* weights = nullptr;          // exp(G_i - G_j), [C, C]   (weighted)
    float* down = nullptr;             // exp(G - R), [C, Dk]      (factored)
    float* up = nullptr;               // exp(R - G), [C, Dk]      (factored)
    float* read_decay = nullptr;       // exp(G), [C, Dk]
    float* write_decay = nullptr;      // exp(G_C - G), [C, Dk]
    float* state_decay = nullptr;      // exp(G_C), [Dk]
    float* keys = nullptr;             // K, or K exp(R - G), [C, Dk]
    float* transposed_keys = nullptr;  // the same, transposed, [Dk, C]
    float* scratch = nullptr;          // among others X exp(G - R), [C, Dk]
    float* d_scratch = nullptr;        // its gradient

    void compute(const float* g, int64_t stride, int rows, int steps, int width);
    void prepare_keys(const float* k, int rows);
    void scores(float* out, const float* x, const float* k, int rows, bool strict);
    void score_gradients(float* d_scores, const float* x, const float* k, float* d_x, float* d_k, int rows);

  private:
    void head_factors(int rows);
    void channel_factors(int rows);
    void pair_scores(float* out, const float* x, const float* k, int rows);
    void pair_gradients(const float* d_scores, const float* x, const float* k, float* d_x, float* d_k, int rows);
};

inline void multiply(float* out, const float* x, const float* y, int numbers) {
    for (int n = 0; n < numbers; n += LANES) at(out + n) = at(x + n) * at(y + n);
}

// Set the entries above the diagonal to zero, and if `strict` the diagonal too.
inline void keep_lower(float* square, int chunk, int rows, bool strict) {
    for (int i = 0; i < rows; ++i)
        for (int j = i + !strict; j < rows; ++j) square[i * chunk + j] = 0;
}

// out[width] = exp(upper - lower) of fp64 running sums; upper is the later one, so that the exponent is not positive.
inline void decay_between(float* out, const double* upper, const double* lower, int width) {
    for (int d = 0; d < width; ++d) out[d] = float(upper[d] - lower[d]);
    for (int d = 0; d < width; d += LANES) at(out + d) = exponential(at(out + d));
}

// Compute G and its factors from log decay g, with `stride` floats from one step to the next; `rows` includes padding.
inline void Decay::compute(const float* g, int64_t stride, int rows, int steps, int width) {
    if (kind == NONE) return;
    const int columns = kind == HEAD ? 1 : key;
    load(scratch, columns, g, stride, steps, rows, width);
    for (int d = 0; d < columns; ++d) sums[d] = scratch[d];
    for (int i = 1; i < rows; ++i)
        for (int d = 0; d < columns; ++d)
            sums[i * columns + d] = sums[(i - 1) * columns + d] + scratch[i * columns + d];
    if (kind == HEAD) head_factors(rows);
    else channel_factors(rows);
}

// One decay a head: compute the weights, and repeat the factors over the channels.
inline void Decay::head_factors(int rows) {
    float* exponents = scratch;
    for (int i = 0; i < rows; ++i) {
        for (int j = 0; j < rows; ++j) exponents[j] = j <= i ? float(sums[i] - sums[j]) : -100.0f;
        for (int j = 0; j < rows; j += LANES) at(weights + i * chunk + j) = exponential(at(exponents + j));
    }
    for (int i = 0; i < rows; ++i) exponents[i] = float(sums[i]);
    for (int i = 0; i < rows; i += LANES) at(exponents + i) = exponential(at(exponents + i));
    for (int i = 0; i < rows; ++i)
        for (int d = 0; d < key; d += LANES) {
            at(read_decay + i * key + d) = Vector{} + exponents[i];
            at(write_decay + i * key + d) = Vector{} + weights[(rows - 1) * chunk + i];
        }
    std::memcpy(state_decay, read_decay + (rows - 1) * key, key * sizeof(float));
}

// One decay a channel. With R = G_C / 2, exp(G) and exp(G_C - G) are both exp(R) times a factor of the scores.
inline void Decay::channel_factors(int rows) {
    const double* last = sums + (rows - 1) * key;
    factored = true;
    for (int d = 0; d < key; ++d) factored = factored && last[d] > -FACTORED_LIMIT;
    if (!factored) {
        for (int i = 0; i < rows; ++i) {
            for (int d = 0; d < key; ++d) read_decay[i * key + d] = float(sums[i * key + d]);
            for (int d = 0; d < key; d += LANES)
                at(read_decay + i * key + d) = exponential(at(read_decay + i * key + d));
            decay_between(write_decay + i * key, last, sums + i * key, key);
        }
        std::memcpy(state_decay, read_decay + (rows - 1) * key, key * sizeof(float));
        return;
    }
    float* half = state_decay;
    for (int d = 0; d < key; ++d) half[d] = float(0.5 * last[d]);
    for (int d = 0; d < key; d += LANES) at(half + d) = exponential(at(half + d));
    for (int i = 0; i < rows * key; i += key) {
        for (int d = 0; d < key; ++d) down[i + d] = float(sums[i + d] - 0.5 * last[d]);
        for (int d = 0; d < key; d += LANES) {
            const Vector shrunk = exponential(at(down + i + d)), grown = exponential(-at(down + i + d));
            at(down + i + d) = shrunk;
            at(up + i + d) = grown;
            at(read_decay + i + d) = shrunk * at(half + d);
            at(write_decay + i + d) = grown * at(half + d);
        }
    }
    multiply(state_decay, half, half, key);
}

// Scale and transpose the keys for the scores.
inline void Decay::prepare_keys(const float* k, int rows) {
    if (kind == CHANNEL && !factored) return;
    if (kind == CHANNEL) multiply(keys, k, up, rows * key);
    transpose(transposed_keys, chunk, keys, key, rows, key);
}

// out[C, C] = scores of x against the prepared keys, zero above the diagonal.
inline void Decay::scores(float* out, const float* x, const float* k, int rows, bool strict) {
    if (kind == CHANNEL && !factored) {
        pair_scores(out, x, k, rows);
    } else {
        if (kind == CHANNEL) multiply(scratch, x, down, rows * key);
        const float* readers = kind == CHANNEL ? scratch : x;
        product<Update::set, Shape::corner>(out, chunk, plain(readers, key), transposed_keys, chunk, rows, rows, key);
        if (kind == HEAD) multiply(out, out, weights, rows * chunk);
    }
    keep_lower(out, chunk, rows, strict);
}

// Set d_x, and add to d_k, their gradients through the scores. d_scores [C, C] is zero above the diagonal and is
// overwritten.
inline void Decay::score_gradients(float* d_scores, const float* x, const float* k, float* d_x, float* d_k, int rows) {
    if (kind == CHANNEL && !factored) return pair_gradients(d_scores, x, k, d_x, d_k, rows);
    if (kind == HEAD) multiply(d_scores, d_scores, weights, rows * chunk);
    product<Update::set, Shape::lower>(d_x, key, plain(d_scores, chunk), keys, key, rows, key, rows);
    if (kind != CHANNEL) {
        product<Update::add, Shape::upper>(d_k, key, transposed(d_scores, chunk), x, key, rows, key, rows);
        return;
    }
    multiply(d_x, d_x, down, rows * key);
    multiply(scratch, x, down, rows * key);
    product<Update::set, Shape::upper>(d_scratch, key, transposed(d_scores, chunk), scratch, key, rows, key, rows);
    for (int n = 0; n < rows * key; n += LANES) at(d_k + n) += at(d_scratch + n) * at(up + n);
}

// Compute the scores pair by pair, for any decay a channel.
inline void Decay::pair_scores(float* out, const float* x, const float* k, int rows) {
    for (int i = 0; i < rows; ++i)
        for (int j = 0; j <= i; ++j) {
            decay_between(scratch, sums + i * key, sums + j * key, key);
            multiply(scratch, scratch, k + j * key, key);
            out[i * chunk + j] = dot(scratch, x + i * key, key);
        }
}

inline void Decay::pair_gradients(const float* d_scores, const float* x, const float* k, float* d_x, float* d_k,
                                  int rows) {
    std::memset(d_x, 0, rows * key * sizeof(float));
    for (int i = 0; i < rows; ++i)
        for (int j = 0; j < i; ++j) {
            const float gradient = d_scores[i * chunk + j];
            decay_between(scratch, sums + i * key, sums + j * key, key);
            for (int d = 0; d < key; d += LANES) {
                const Vector weighted = gradient * at(scratch + d);
                at(d_x + i * key + d) += weighted * at(k + j * key + d);
                at(d_k + j * key + d) += weighted * at(x + i * key + d);
            }
        }
}
}  // namespace recurrence
