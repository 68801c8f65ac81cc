// The linear recurrence on a CPU, in chunks, one head after the other: forward, and backward with recomputation.
//
// Forward saves only the state at the start of every chunk. Backward runs through the chunks in reverse. It recomputes
// each from the inputs and that state, and carries dS, the gradient of the state. The names are those of
// kernels/README.md; Y = dO, and Q stands for scale * Q.

#include "chunk.h"

namespace recurrence {

// The heads of a group share pages of the inputs as they run through time together. Their states have to stay in cache.
constexpr int64_t STATE_FLOATS = 1 << 16;

// A group of heads of one sequence, with a state for each. `next` moves to the next group.
struct HeadGroup {
    const Call& call;
    const int K, V;  // padded Dk and Dv
    int64_t size, row = 0, first = 0, last = 0;
    float* states = nullptr;

    explicit HeadGroup(const Call& c) : call(c), K(padded(c.key)), V(padded(c.value)) {
        size = STATE_FLOATS / (K * V);
        size = size < 1 ? 1 : size > c.heads ? c.heads : size;
    }
    size_t floats() const { return size * K * V + PAD; }
    bool next() {
        if (last == call.heads) ++row, last = 0;
        first = last;
        last = first + size < call.heads ? first + size : call.heads;
        return row < call.batch;
    }
    float* state(int64_t head) const { return states + (head - first) * K * V; }
    int64_t index(int64_t head) const { return row * call.heads + head; }
    void load_from(const float* x) const {
        for (int64_t head = first; head < last; ++head)
            load(state(head), V, x + index(head) * call.key * call.value, call.value, call.key, K, call.value);
    }
    void store_to(float* x) const {
        for (int64_t head = first; head < last; ++head)
            store(x + index(head) * call.key * call.value, call.value, state(head), V, call.key, call.value);
    }
};

static void forward(const Call& call, const float* first, float* o, float* final, float* entries) {
    HeadGroup heads(call);
    Arena arena(Chunk::floats(call) + heads.floats());
    Chunk c(call, arena);
    heads.states = arena.take(heads.size * c.K, c.V);
    float* out = arena.take(c.C, c.V);
    const int64_t chunks = (call.length + c.C - 1) / c.C, numbers = c.K * c.V;
    while (heads.next()) {
        heads.load_from(first);
        for (int64_t n = 0; n < chunks; ++n)
            for (int64_t head = heads.first; head < heads.last; ++head) {
                float* state = heads.state(head);
                std::memcpy(entries + (heads.index(head) * chunks + n) * numbers, state, numbers * sizeof(float));
                const bool last_in_group = head + 1 == heads.last;
                c.prefetch_inputs(heads.row, last_in_group ? heads.first : head + 1, (n + last_in_group) * c.C);
                c.compute(heads.row, head, n * c.C, state);
                c.prefetch_result(o, call.value);
                product<Update::set, Shape::lower>(out, c.V, plain(c.scores, c.C), c.u, c.V, c.rows, c.V, c.rows);
                product<Update::add>(out, c.V, plain(c.read_q, c.K), state, c.V, c.rows, c.V, c.K);
                store(o + c.offset * call.value, call.heads * call.value, out, c.V, c.steps, call.value);
                c.decay_state(state);
                product<Update::add>(state, c.V, transposed(c.write_k, c.K), c.u, c.V, c.K, c.V, c.rows);
            }
        heads.store_to(final);
    }
}

// Results in the layout of the inputs; log_decay and beta are null if there is no such input.
struct Gradients {
    float *q, *k, *v, *log_decay, *beta;
};

struct Backward {
    Chunk c;
    float *d_outputs, *d_u, *d_r;           // dO, dU, dR (= dV)  [C, Dv]
    float *d_q, *d_k, *d_read, *d_decayed;  // [C, Dk]; d_read: of the keys as readers; d_decayed: of Q or K with decay
    float *d_sums, *d_tails;                // of G and of G_C - G, the logarithms of the decays  [C, Dk]
    float *d_scores, *d_key_scores;         // [C, C]
    float *u_transposed, *state_transposed, *d_state_transposed;
    float* d_state = nullptr;               // dS'
    float *diagonal, *d_beta, *d_total;     // diagonal of dP [C]; [C]; of G_C: <S, dS'> exp(G_C)  [Dk]

    Backward(const Call& call, Arena& arena) : c(call, arena) {
        for (float** x : {&d_outputs, &d_u, &u_transposed}) *x = arena.take(c.C, c.V);
        d_r = c.delta ? arena.take(c.C, c.V) : d_u;
        for (float** x : {&d_q, &d_k, &d_read, &d_decayed, &d_sums, &d_tails}) *x = arena.take(c.C, c.K);
        for (float** x : {&d_scores, &d_key_scores}) *x = arena.take(c.C, c.C);
        for (float** x : {&state_transposed, &d_state_transposed}) *x = arena.take(c.K, c.V);
        for (float** x : {&diagonal, &d_beta}) *x = arena.take(1, c.C);
        d_total = arena.take(1, c.K);
    }

    void chunk(int64_t row, int64_t head, int64_t step, const float* state, const StridedTensor& d_o,
               const Gradients& out);

  private:
    void score_gradients();
    void state_gradients();
    void undo_decay(float* d_x, const float* factor, const float* x, float* d_logs, bool add);
    void step_gradients(float* d_g);
};

// Compute the gradients of one chunk from its entry state. d_state is the gradient of the exit state before the call,
// and of the entry state after it.
void Backward::chunk(int64_t row, int64_t head, int64_t step, const float* state, const StridedTensor& d_o,
                     const Gradients& out) {
    const Call& call = c.call;
    c.compute(row, head, step, state);
    c.prefetch_result(out.q, call.key);
    c.prefetch_result(out.k, call.key);
    c.prefetch_result(out.v, call.value);
    const int C = c.C, K = c.K, V = c.V, rows = c.rows;
    load(d_outputs, V, d_o.at(row, step, head), d_o.time, c.steps, rows, call.value);
    product<Update::set, Shape::upper>(d_u, V, transposed(c.scores, C), d_outputs, V, rows, V, rows);
    product<Update::add>(d_u, V, plain(c.write_k, K), d_state, V, rows, V, K);
    if (c.delta) substitute_back(d_u, d_r, d_beta, c.w, c.key_scores, c.beta, C, rows, V);
    transpose(u_transposed, C, c.u, V, rows, V);
    transpose(state_transposed, K, state, V, K, V);
    transpose(d_state_transposed, K, d_state, V, K, V);
    score_gradients();
    state_gradients();
    if (c.decays) {
        for (int d = 0; d < K; ++d) d_total[d] = c.decay.state_decay[d] * dot(state + d * V, d_state + d * V, V);
        const int64_t columns = call.kind == HEAD ? 1 : call.key;
        step_gradients(out.log_decay + c.offset * columns);
    }
    store(out.q + c.offset * call.key, call.heads * call.key, d_q, K, c.steps, call.key, call.scale);
    store(out.k + c.offset * call.key, call.heads * call.key, d_k, K, c.steps, call.key);
    store(out.v + c.offset * call.value, call.heads * call.value, d_r, V, c.steps, call.value);
    if (c.delta) store(out.beta + c.offset, call.heads, d_beta, 1, c.steps, 1);
    c.decay_state(d_state);
    product<Update::add>(d_state, V, transposed(c.read_q, K), d_outputs, V, K, V, rows);
    if (c.delta) product<Update::subtract>(d_state, V, transposed(c.read_k, K), d_r, V, K, V, rows);
}

// dP = lower(Y U^T), dL = -lower(dR U^T), and the gradients of queries, keys and running sum through them. The diagonal
// of P carries no decay. Its large equal terms are added later, so that they need not cancel.
void Backward::score_gradients() {
    const int C = c.C, K = c.K, V = c.V, rows = c.rows;
    product<Update::set, Shape::corner>(d_scores, C, plain(d_outputs, V), u_transposed, C, rows, rows, V);
    keep_lower(d_scores, C, rows, false);
    for (int i = 0; i < rows; ++i) {
        diagonal[i] = d_scores[i * C + i];
        d_scores[i * C + i] = 0;
    }
    std::memset(d_k, 0, rows * K * sizeof(float));
    c.decay.score_gradients(d_scores, c.q, c.k, d_q, d_k, rows);
    if (c.delta) {
        product<Update::negate, Shape::corner>(d_key_scores, C, plain(d_r, V), u_transposed, C, rows, rows, V);
        keep_lower(d_key_scores, C, rows, true);
        c.decay.score_gradients(d_key_scores, c.k, c.k, d_read, d_k, rows);
    }
    if (c.decays)
        for (int n = 0; n < rows * K; n += LANES) {
            Vector sum = at(c.q + n) * at(d_q + n) - at(c.k + n) * at(d_k + n);
            if (c.delta) sum += at(c.k + n) * at(d_read + n);
            at(d_sums + n) = sum;
        }
    for (int i = 0; i < rows; ++i)
        for (int n = i * K; n < (i + 1) * K; n += LANES) {
            at(d_q + n) += diagonal[i] * at(c.k + n);
            at(d_k + n) += diagonal[i] * at(c.q + n);
        }
}

// d(Q exp(G)) = Y S^T, d(K exp(G)) = -dR S^T, d(K exp(G_C - G)) = U dS'^T
void Backward::state_gradients() {
    const int K = c.K, V = c.V, rows = c.rows;
    const Decay& decay = c.decay;
    if (!c.decays) {
        product<Update::add>(d_q, K, plain(d_outputs, V), state_transposed, K, rows, K, V);
        product<Update::add>(d_k, K, plain(c.u, V), d_state_transposed, K, rows, K, V);
        if (c.delta) product<Update::subtract>(d_read, K, plain(d_r, V), state_transposed, K, rows, K, V);
    } else {
        product<Update::set>(d_decayed, K, plain(d_outputs, V), state_transposed, K, rows, K, V);
        undo_decay(d_q, decay.read_decay, c.read_q, d_sums, true);
        product<Update::set>(d_decayed, K, plain(c.u, V), d_state_transposed, K, rows, K, V);
        undo_decay(d_k, decay.write_decay, c.write_k, d_tails, false);
        if (c.delta) {
            product<Update::negate>(d_decayed, K, plain(d_r, V), state_transposed, K, rows, K, V);
            undo_decay(d_read, decay.read_decay, c.read_k, d_sums, true);
        }
    }
    if (c.delta)
        for (int n = 0; n < rows * K; n += LANES) at(d_k + n) += at(d_read + n);
}

// d_x += d_decayed * factor. The gradient of the factor's logarithm, d_decayed * x with x the decayed tile, is set in
// d_logs or added to it.
void Backward::undo_decay(float* d_x, const float* factor, const float* x, float* d_logs, bool add) {
    for (int n = 0; n < c.rows * c.K; n += LANES) {
        at(d_x + n) += at(d_decayed + n) * at(factor + n);
        const Vector d_log = at(d_decayed + n) * at(x + n);
        at(d_logs + n) = add ? at(d_logs + n) + d_log : d_log;
    }
}

// Compute the gradient of each step's log decay. Step t is part of the running sums from t on, of the tails of the
// writes before it, and of the chunk's total.
//     dg_t = sum_{i >= t} d_sums_i + sum_{j < t} d_tails_j + d_total
void Backward::step_gradients(float* d_g) {
    const int rows = c.rows, K = c.K;
    double* running = c.decay.sums;  // G is not needed any more
    if (c.call.kind == HEAD) {
        *running = sum(d_total, K);
        for (int i = 0; i < rows; ++i) *running += sum(d_sums + i * K, K);
        for (int i = 0; i < c.steps; ++i) {
            d_g[i * c.call.heads] = float(*running);
            *running += sum(d_tails + i * K, K) - sum(d_sums + i * K, K);
        }
        return;
    }
    for (int d = 0; d < K; ++d) running[d] = d_total[d];
    for (int n = 0; n < rows * K; n += K)
        for (int d = 0; d < K; ++d) running[d] += d_sums[n + d];
    for (int i = 0; i < c.steps; ++i) {
        for (int d = 0; d < c.call.key; ++d) d_g[i * c.call.heads * c.call.key + d] = float(running[d]);
        for (int d = 0; d < K; ++d) running[d] += double(d_tails[i * K + d]) - double(d_sums[i * K + d]);
    }
}

static void backward(const Call& call, const float* entries, const StridedTensor& d_o, const float* d_final,
                     float* d_first, const Gradients& out) {
    HeadGroup heads(call);
    Arena arena(2 * Chunk::floats(call) + heads.floats());
    Backward b(call, arena);
    heads.states = arena.take(heads.size * b.c.K, b.c.V);
    const int64_t chunks = (call.length + b.c.C - 1) / b.c.C, numbers = b.c.K * b.c.V;
    while (heads.next()) {
        heads.load_from(d_final);
        for (int64_t n = chunks - 1; n >= 0; --n)
            for (int64_t head = heads.first; head < heads.last; ++head) {
                const bool last_in_group = head + 1 == heads.last;
                const int64_t next = last_in_group ? heads.first : head + 1, before = (n - last_in_group) * b.c.C;
                b.c.prefetch_inputs(heads.row, next, before);
                if (before >= 0) {
                    prefetcher.add(d_o.at(heads.row, before, next), d_o.time, b.c.steps_from(before), call.value);
                    prefetcher.add(entries + (heads.index(next) * chunks + n - last_in_group) * numbers, 0, 1, numbers);
                }
                b.d_state = heads.state(head);
                b.chunk(heads.row, head, n * b.c.C, entries + (heads.index(head) * chunks + n) * numbers, d_o, out);
            }
        heads.store_to(d_first);
    }
}
}  // namespace recurrence

#define EXPORTED extern "C" __attribute__((visibility("default")))

// A caller compares this with its own size of Call, to refuse a library that was built from other sources.
EXPORTED int64_t move37_call_bytes() { return sizeof(recurrence::Call); }

EXPORTED void move37_forward(const recurrence::Call* call, const float* first, float* o, float* final,
                             float* entries) {
    recurrence::forward(*call, first, o, final, entries);
}

EXPORTED void move37_backward(const recurrence::Call* call, const float* entries,
                              const recurrence::StridedTensor* d_o, const float* d_final, float* d_first,
                              const recurrence::Gradients* out) {
    recurrence::backward(*call, entries, *d_o, d_final, d_first, *out);
}
