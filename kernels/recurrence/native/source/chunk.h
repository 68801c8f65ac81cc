// One chunk of one head: its inputs as tiles, and the values that both forward and backward need.
#pragma once

#include <cstdlib>
#include <initializer_list>
#include <memory>

#include "decay.h"
#include "delta.h"

namespace recurrence {

// A tensor [B, T, H, D] whose rows of D numbers are contiguous; batch, time and head are its strides.
struct StridedTensor {
    const float* x;
    int64_t batch, time, head;

    const float* at(int64_t row, int64_t step, int64_t n) const { return x + row * batch + step * time + n * head; }
};

// The canonical tensors and the sizes of one call: q, k [B, T, H, Dk]; v [B, T, H, Dv]; contiguous log decay
// [B, T, H, 1 | Dk] and beta [B, T, H], or null.
struct Call {
    StridedTensor q, k, v;
    const float *log_decay, *beta;
    int64_t batch, length, heads, key, value, kind, chunk;
    float scale;
};

// Aligned memory for tiles, one after the other; each thread reuses its memory from call to call.
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
        float* tile = next;
        next += rows * width + PAD;  // tiles whose addresses differ by whole pages would slow each other
        return tile;
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
    const int C, K, V;          // chunk length, padded Dk and Dv
    const bool decays, delta;
    Decay decay;
    int64_t offset;             // index of the first step among [B, T, H]
    int steps, rows;            // without and with padding
    float *q, *k;               // scale * Q, K  [C, Dk]
    float *read_q, *read_k;     // Q exp(G), K exp(G)  [C, Dk]
    float* write_k;             // K exp(G_C - G)  [C, Dk]
    float *w, *u;               // W, U  [C, Dv]
    float *scores, *key_scores; // P, L  [C, C]
    float* beta;                // [C]

    // Return how many floats of an arena a chunk needs, with the tiles that backward adds.
    static size_t floats(const Call& c) {
        const size_t key = padded(c.key), value = padded(c.value), chunk = c.chunk;
        return 20 * (chunk * key + PAD) + 8 * (chunk * value + PAD) + 6 * (chunk * chunk + PAD) +
               4 * (key * value + PAD) + 6 * (key + PAD) + 6 * (chunk + PAD);
    }

    Chunk(const Call& c, Arena& arena)
        : call(c), C(c.chunk), K(padded(c.key)), V(padded(c.value)), decays(c.kind != NONE), delta(c.beta != nullptr) {
        const auto take_keys = [&] { return arena.take(C, K); };
        decay = {int(c.kind), C, K};
        decay.sums = reinterpret_cast<double*>(arena.take(2 * C, K));
        decay.weights = arena.take(C, C);
        for (float** x : {&decay.down, &decay.up, &decay.read_decay, &decay.write_decay, &decay.scratch,
                          &decay.transposed_keys, &decay.d_scratch, &q, &k})
            *x = take_keys();
        decay.keys = c.kind == CHANNEL ? take_keys() : k;
        decay.state_decay = arena.take(1, K);
        read_q = decays ? take_keys() : q;
        read_k = decays ? take_keys() : k;
        write_k = decays ? take_keys() : k;
        u = arena.take(C, V);
        w = delta ? arena.take(C, V) : u;
        scores = arena.take(C, C);
        key_scores = arena.take(C, C);
        beta = arena.take(1, C);
    }

    int64_t steps_from(int64_t step) const { return call.length - step < C ? call.length - step : C; }

    // Prefetch the inputs of the steps from `step` of a sequence and head, if there are such steps.
    void prefetch_inputs(int64_t row, int64_t head, int64_t step) const {
        prefetcher.clear();
        if (step < 0 || step >= call.length) return;
        const int64_t number = steps_from(step);
        prefetcher.add(call.q.at(row, step, head), call.q.time, number, call.key);
        prefetcher.add(call.k.at(row, step, head), call.k.time, number, call.key);
        prefetcher.add(call.v.at(row, step, head), call.v.time, number, call.value);
    }

    // Prefetch the rows of this chunk in a result [B, T, H, width].
    void prefetch_result(const float* x, int64_t width) const {
        prefetcher.add(x + offset * width, call.heads * width, steps, width);
    }

    // Load the steps from `step` of a sequence and head, and compute the chunk from its entry state S [Dk, Dv].
    void compute(int64_t row, int64_t head, int64_t step, const float* state) {
        const int64_t heads = call.heads;
        steps = int(steps_from(step));
        rows = padded(steps);
        offset = (row * call.length + step) * heads + head;
        load(q, K, call.q.at(row, step, head), call.q.time, steps, rows, call.key, call.scale);
        load(k, K, call.k.at(row, step, head), call.k.time, steps, rows, call.key);
        load(w, V, call.v.at(row, step, head), call.v.time, steps, rows, call.value);
        if (decays) {
            const int64_t columns = call.kind == HEAD ? 1 : call.key;
            decay.compute(call.log_decay + offset * columns, heads * columns, rows, steps, columns);
            multiply(read_q, q, decay.read_decay, rows * K);
            multiply(write_k, k, decay.write_decay, rows * K);
        }
        decay.prepare_keys(k, rows);
        decay.scores(scores, q, k, rows, false);
        if (!delta) return;
        if (decays) multiply(read_k, k, decay.read_decay, rows * K);
        load(beta, 1, call.beta + offset, heads, steps, rows, 1);
        product<Update::subtract>(w, V, plain(read_k, K), state, V, rows, V, K);
        decay.scores(key_scores, k, k, rows, true);
        substitute(w, u, key_scores, beta, C, rows, V);
    }

    // S <- diag(exp(G_C)) S
    void decay_state(float* state) const {
        if (!decays) return;
        for (int d = 0; d < K; ++d)
            for (int n = 0; n < V; n += LANES) at(state + d * V + n) *= decay.state_decay[d];
    }
};
}  // namespace recurrence
