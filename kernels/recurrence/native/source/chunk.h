// One chunk of one head: its inputs as tiles, and what forward and backward both need of it.
#pragma once

#include <cstdlib>
#include <initializer_list>
#include <memory>

#include "decay.h"
#include "delta.h"

namespace recurrence {

// A tensor [B, T, H, D] whose rows of D numbers are contiguous, with its strides.
struct Tokens {
    const float* x;
    int64_t batch, time, head;

    const float* at(int64_t row, int64_t step, int64_t n) const { return x + row * batch + step * time + n * head; }
};

// Sizes of a call, and the tensors of the canonical problem: q, k [B, T, H, Dk]; v [B, T, H, Dv]; contiguous log decay
// [B, T, H, 1 | Dk] and beta [B, T, H], or null.
struct Call {
    Tokens q, k, v;
    const float *log_decay, *beta;
    int64_t batch, length, heads, key, value, kind, chunk;
    float scale;
};

// Aligned floats handed out one after the other; kept from call to call by the thread.
class Arena {
  public:
    explicit Arena(size_t floats) {
        if (floats > capacity) {
            memory.reset(static_cast<float*>(std::aligned_alloc(64, (floats * sizeof(float) + 63) / 64 * 64)));
            capacity = floats;
        }
        next = memory.get();
    }
    float* take(int rows, int width) {
        float* taken = next;
        next += rows * width + PAD;  // tiles whose addresses differ by whole pages would slow each other
        return taken;
    }

  private:
    struct Free {
        void operator()(float* x) const { std::free(x); }
    };
    static thread_local std::unique_ptr<float, Free> memory;
    static thread_local size_t capacity;
    float* next;
};
inline thread_local std::unique_ptr<float, Arena::Free> Arena::memory;
inline thread_local size_t Arena::capacity = 0;

struct Chunk {
    const Call& call;
    const int C, K, V;         // chunk length, padded Dk and Dv
    const bool decays, delta;
    Decay decay;
    int64_t place;             // index of the first step among [B, T, H]
    int count, size;           // steps, and rows with padding
    float *q, *k;              // scale * Q, K  [C, Dk]
    float *read_q, *read_k;    // Q exp(G), K exp(G)  [C, Dk]
    float* write_k;            // K exp(G_C - G)  [C, Dk]
    float *w, *u;              // W, U  [C, Dv]
    float *scores, *links;     // P, L  [C, C]
    float* beta;               // [C]

    // Floats of an arena that holds a chunk, and what backward adds.
    static size_t floats(const Call& c) {
        const size_t key = padded(c.key), value = padded(c.value), chunk = c.chunk;
        return 20 * (chunk * key + PAD) + 8 * (chunk * value + PAD) + 6 * (chunk * chunk + PAD) +
               4 * (key * value + PAD) + 6 * (key + PAD) + 6 * (chunk + PAD);
    }

    Chunk(const Call& c, Arena& arena)
        : call(c), C(c.chunk), K(padded(c.key)), V(padded(c.value)), decays(c.kind != NONE), delta(c.beta != nullptr) {
        const auto rows = [&] { return arena.take(C, K); };
        decay = {int(c.kind), C, K};
        decay.sums = reinterpret_cast<double*>(arena.take(2 * C, K));
        decay.weights = arena.take(C, C);
        for (float** x : {&decay.down, &decay.up, &decay.read, &decay.left, &decay.rows, &decay.turned, &decay.d_rows,
                          &q, &k})
            *x = rows();
        decay.keys = c.kind == CHANNEL ? rows() : k;
        decay.carried = arena.take(1, K);
        read_q = decays ? rows() : q;
        read_k = decays ? rows() : k;
        write_k = decays ? rows() : k;
        u = arena.take(C, V);
        w = delta ? arena.take(C, V) : u;
        scores = arena.take(C, C);
        links = arena.take(C, C);
        beta = arena.take(1, C);
    }

    int64_t steps_from(int64_t step) const { return call.length - step < C ? call.length - step : C; }

    // Ask for the inputs of the steps from `step` of a sequence and head, where there are such steps.
    void expect(int64_t row, int64_t head, int64_t step) const {
        ahead.clear();
        if (step < 0 || step >= call.length) return;
        const int64_t rows = steps_from(step);
        ahead.want(call.q.at(row, step, head), call.q.time, rows, call.key);
        ahead.want(call.k.at(row, step, head), call.k.time, rows, call.key);
        ahead.want(call.v.at(row, step, head), call.v.time, rows, call.value);
    }

    // Ask for the place of a result [B, T, H, width] of the chunk at hand.
    void expect_result(const float* x, int64_t width) const {
        ahead.want(x + place * width, call.heads * width, count, width);
    }

    // Take in the steps from `step` of a sequence and head, with S [Dk, Dv] the state on entry.
    void enter(int64_t row, int64_t head, int64_t step, const float* state) {
        const int64_t heads = call.heads;
        count = int(steps_from(step));
        size = padded(count);
        place = (row * call.length + step) * heads + head;
        load(q, K, call.q.at(row, step, head), call.q.time, count, size, call.key, call.scale);
        load(k, K, call.k.at(row, step, head), call.k.time, count, size, call.key);
        load(w, V, call.v.at(row, step, head), call.v.time, count, size, call.value);
        if (decays) {
            const int64_t columns = call.kind == HEAD ? 1 : call.key;
            decay.sum(call.log_decay + place * columns, heads * columns, size, count, columns);
            multiply(read_q, q, decay.read, size * K);
            multiply(write_k, k, decay.left, size * K);
        }
        decay.prepare(k, size);
        decay.scores(scores, q, k, size, false);
        if (!delta) return;
        if (decays) multiply(read_k, k, decay.read, size * K);
        load(beta, 1, call.beta + place, heads, count, size, 1);
        product<Put::subtract>(w, V, plain(read_k, K), state, V, size, V, K);
        decay.scores(links, k, k, size, true);
        substitute(w, u, links, beta, C, size, V);
    }

    // S <- exp(G_C) S, along the rows
    void fade_state(float* state) const {
        if (!decays) return;
        for (int d = 0; d < K; ++d)
            for (int n = 0; n < V; n += LANES) at(state + d * V + n) *= decay.carried[d];
    }
};
}  // namespace recurrence
