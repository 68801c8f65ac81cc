// The linear recurrence on a CPU, in chunks, one head after the other: forward, and backward with recomputation.
//
// Forward keeps the state at the start of every chunk and nothing else. Backward goes through the chunks against time,
// makes each again from the inputs and that state, and carries dS, the gradient of the state. The names are those of
// kernels/README.md; Y = dO, and Q stands for scale * Q.

#include "chunk.h"

namespace recurrence {

// Heads that go through time together share pages of the inputs; their states have to stay in cache.
constexpr int64_t STATE_FLOATS = 1 << 16;

// Some heads of one sequence, and a state for each.
struct Heads {
    const Call& call;
    const int K, V;  // padded Dk and Dv
    int64_t together, row = 0, first = 0, last = 0;
    float* states = nullptr;

    explicit Heads(const Call& c) : call(c), K(padded(c.key)), V(padded(c.value)) {
        together = STATE_FLOATS / (K * V);
        together = together < 1 ? 1 : together > c.heads ? c.heads : together;
    }
    size_t floats() const { return together * K * V + PAD; }
    bool next() {
        if (last == call.heads) ++row, last = 0;
        first = last;
        last = first + together < call.heads ? first + together : call.heads;
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
    Heads heads(call);
    Arena arena(Chunk::floats(call) + heads.floats());
    Chunk c(call, arena);
    heads.states = arena.take(heads.together * c.K, c.V);
    float* out = arena.take(c.C, c.V);
    const int64_t chunks = (call.length + c.C - 1) / c.C, numbers = c.K * c.V;
    while (heads.next()) {
        heads.load_from(first);
        for (int64_t n = 0; n < chunks; ++n)
            for (int64_t head = heads.first; head < heads.last; ++head) {
                float* state = heads.state(head);
                std::memcpy(entries + (heads.index(head) * chunks + n) * numbers, state, numbers * sizeof(float));
                const bool turn = head + 1 == heads.last;
                c.expect(heads.row, turn ? heads.first : head + 1, (n + turn) * c.C);
                c.enter(heads.row, head, n * c.C, state);
                c.expect_result(o, call.value);
                product<Put::set, Shape::lower>(out, c.V, plain(c.scores, c.C), c.u, c.V, c.size, c.V, c.size);
                product<Put::add>(out, c.V, plain(c.read_q, c.K), state, c.V, c.size, c.V, c.K);
                store(o + c.place * call.value, call.heads * call.value, out, c.V, c.count, call.value);
                c.fade_state(state);
                product<Put::add>(state, c.V, turned_over(c.write_k, c.K), c.u, c.V, c.K, c.V, c.size);
            }
        heads.store_to(final);
    }
}

// Gradients in the layout of the inputs; those of log decay and beta null where there is none.
struct Gradients {
    float *q, *k, *v, *log_decay, *beta;
};

struct Backward {
    Chunk c;
    float *y, *d_u, *d_r;                      // dO, dU, dR (= dV)  [C, Dv]
    float *d_q, *d_k, *d_read, *across;        // [C, Dk]; d_read: of the keys where they read
    float *felt, *written;                     // what the running sum felt; what the exit state felt of each write
    float *d_scores, *d_links;                 // [C, C]
    float *u_turned, *state_turned, *d_state_turned;
    float* d_state = nullptr;                  // dS'
    float *own, *d_beta, *kept;                // diagonal of dP [C]; [C]; <S, dS'> exp(G_C) [Dk]

    Backward(const Call& call, Arena& arena) : c(call, arena) {
        for (float** x : {&y, &d_u, &u_turned}) *x = arena.take(c.C, c.V);
        d_r = c.delta ? arena.take(c.C, c.V) : d_u;
        for (float** x : {&d_q, &d_k, &d_read, &across, &felt, &written}) *x = arena.take(c.C, c.K);
        for (float** x : {&d_scores, &d_links}) *x = arena.take(c.C, c.C);
        for (float** x : {&state_turned, &d_state_turned}) *x = arena.take(c.K, c.V);
        for (float** x : {&own, &d_beta}) *x = arena.take(1, c.C);
        kept = arena.take(1, c.K);
    }

    void chunk(int64_t row, int64_t head, int64_t step, const float* state, const Tokens& d_o, const Gradients& out);

  private:
    void through_scores();
    void through_states();
    void undo(float* d_x, const float* factor, const float* x, float* touched, bool add);
    void decay_steps(float* d_g);
};

// One chunk, with its entry state; d_state is the gradient of its exit state before, of its entry state after.
void Backward::chunk(int64_t row, int64_t head, int64_t step, const float* state, const Tokens& d_o,
                     const Gradients& out) {
    const Call& call = c.call;
    c.enter(row, head, step, state);
    c.expect_result(out.q, call.key);
    c.expect_result(out.k, call.key);
    c.expect_result(out.v, call.value);
    const int C = c.C, K = c.K, V = c.V, size = c.size;
    load(y, V, d_o.at(row, step, head), d_o.time, c.count, size, call.value);
    product<Put::set, Shape::upper>(d_u, V, turned_over(c.scores, C), y, V, size, V, size);
    product<Put::add>(d_u, V, plain(c.write_k, K), d_state, V, size, V, K);
    if (c.delta) substitute_back(d_u, d_r, d_beta, c.w, c.links, c.beta, C, size, V);
    transpose(u_turned, C, c.u, V, size, V);
    transpose(state_turned, K, state, V, K, V);
    transpose(d_state_turned, K, d_state, V, K, V);
    through_scores();
    through_states();
    if (c.decays) {
        for (int d = 0; d < K; ++d) kept[d] = c.decay.carried[d] * dot(state + d * V, d_state + d * V, V);
        const int64_t columns = call.kind == HEAD ? 1 : call.key;
        decay_steps(out.log_decay + c.place * columns);
    }
    store(out.q + c.place * call.key, call.heads * call.key, d_q, K, c.count, call.key, call.scale);
    store(out.k + c.place * call.key, call.heads * call.key, d_k, K, c.count, call.key);
    store(out.v + c.place * call.value, call.heads * call.value, d_r, V, c.count, call.value);
    if (c.delta) store(out.beta + c.place, call.heads, d_beta, 1, c.count, 1);
    c.fade_state(d_state);
    product<Put::add>(d_state, V, turned_over(c.read_q, K), y, V, K, V, size);
    if (c.delta) product<Put::subtract>(d_state, V, turned_over(c.read_k, K), d_r, V, K, V, size);
}

// dP = lower(Y U^T), dL = -lower(dR U^T), and what queries, keys and running sum feel of them. The diagonal of P
// carries no decay; its large equal terms are set aside, so that they need not cancel.
void Backward::through_scores() {
    const int C = c.C, K = c.K, V = c.V, size = c.size;
    product<Put::set, Shape::corner>(d_scores, C, plain(y, V), u_turned, C, size, size, V);
    keep_lower(d_scores, C, size, false);
    for (int i = 0; i < size; ++i) {
        own[i] = d_scores[i * C + i];
        d_scores[i * C + i] = 0;
    }
    std::memset(d_k, 0, size * K * sizeof(float));
    c.decay.slopes(d_scores, c.q, c.k, d_q, d_k, size);
    if (c.delta) {
        product<Put::negate, Shape::corner>(d_links, C, plain(d_r, V), u_turned, C, size, size, V);
        keep_lower(d_links, C, size, true);
        c.decay.slopes(d_links, c.k, c.k, d_read, d_k, size);
    }
    if (c.decays)
        for (int n = 0; n < size * K; n += LANES) {
            Vector sum = at(c.q + n) * at(d_q + n) - at(c.k + n) * at(d_k + n);
            if (c.delta) sum += at(c.k + n) * at(d_read + n);
            at(felt + n) = sum;
        }
    for (int i = 0; i < size; ++i)
        for (int n = i * K; n < (i + 1) * K; n += LANES) {
            at(d_q + n) += own[i] * at(c.k + n);
            at(d_k + n) += own[i] * at(c.q + n);
        }
}

// d(Q exp(G)) = Y S^T, d(K exp(G)) = -dR S^T, d(K exp(G_C - G)) = U dS'^T
void Backward::through_states() {
    const int K = c.K, V = c.V, size = c.size;
    const Decay& decay = c.decay;
    if (!c.decays) {
        product<Put::add>(d_q, K, plain(y, V), state_turned, K, size, K, V);
        product<Put::add>(d_k, K, plain(c.u, V), d_state_turned, K, size, K, V);
        if (c.delta) product<Put::subtract>(d_read, K, plain(d_r, V), state_turned, K, size, K, V);
    } else {
        product<Put::set>(across, K, plain(y, V), state_turned, K, size, K, V);
        undo(d_q, decay.read, c.read_q, felt, true);
        product<Put::set>(across, K, plain(c.u, V), d_state_turned, K, size, K, V);
        undo(d_k, decay.left, c.write_k, written, false);
        if (c.delta) {
            product<Put::negate>(across, K, plain(d_r, V), state_turned, K, size, K, V);
            undo(d_read, decay.read, c.read_k, felt, true);
        }
    }
    if (c.delta)
        for (int n = 0; n < size * K; n += LANES) at(d_k + n) += at(d_read + n);
}

// d_x += across * factor, and what the decayed x (= x * factor) felt of it, put or added into `touched`.
void Backward::undo(float* d_x, const float* factor, const float* x, float* touched, bool add) {
    for (int n = 0; n < c.size * c.K; n += LANES) {
        at(d_x + n) += at(across + n) * at(factor + n);
        const Vector touch = at(across + n) * at(x + n);
        at(touched + n) = add ? at(touched + n) + touch : touch;
    }
}

// From the running sum to the steps: what step t decays is felt from t on, by the writes before t, and by the state.
//     dg_t = sum_{i >= t} felt_i + sum_{j < t} written_j + kept
void Backward::decay_steps(float* d_g) {
    const int size = c.size, K = c.K;
    double* running = c.decay.sums;  // G is done with
    if (c.call.kind == HEAD) {
        *running = sum(kept, K);
        for (int i = 0; i < size; ++i) *running += sum(felt + i * K, K);
        for (int i = 0; i < c.count; ++i) {
            d_g[i * c.call.heads] = float(*running);
            *running += sum(written + i * K, K) - sum(felt + i * K, K);
        }
        return;
    }
    for (int d = 0; d < K; ++d) running[d] = kept[d];
    for (int n = 0; n < size * K; n += K)
        for (int d = 0; d < K; ++d) running[d] += felt[n + d];
    for (int i = 0; i < c.count; ++i) {
        for (int d = 0; d < c.call.key; ++d) d_g[i * c.call.heads * c.call.key + d] = float(running[d]);
        for (int d = 0; d < K; ++d) running[d] += double(written[i * K + d]) - double(felt[i * K + d]);
    }
}

static void backward(const Call& call, const float* entries, const Tokens& d_o, const float* d_final, float* d_first,
                     const Gradients& out) {
    Heads heads(call);
    Arena arena(2 * Chunk::floats(call) + heads.floats());
    Backward b(call, arena);
    heads.states = arena.take(heads.together * b.c.K, b.c.V);
    const int64_t chunks = (call.length + b.c.C - 1) / b.c.C, numbers = b.c.K * b.c.V;
    while (heads.next()) {
        heads.load_from(d_final);
        for (int64_t n = chunks - 1; n >= 0; --n)
            for (int64_t head = heads.first; head < heads.last; ++head) {
                const bool turn = head + 1 == heads.last;
                const int64_t next = turn ? heads.first : head + 1, before = (n - turn) * b.c.C;
                b.c.expect(heads.row, next, before);
                if (before >= 0) {
                    ahead.want(d_o.at(heads.row, before, next), d_o.time, b.c.steps_from(before), call.value);
                    ahead.want(entries + (heads.index(next) * chunks + n - turn) * numbers, 0, 1, numbers);
                }
                b.d_state = heads.state(head);
                b.chunk(heads.row, head, n * b.c.C, entries + (heads.index(head) * chunks + n) * numbers, d_o, out);
            }
        heads.store_to(d_first);
    }
}
}  // namespace recurrence

#define EXPORTED extern "C" __attribute__((visibility("default")))

// By this a caller tells a library that was built from other sources.
EXPORTED int64_t move37_call_bytes() { return sizeof(recurrence::Call); }

EXPORTED void move37_forward(const recurrence::Call* call, const float* first, float* o, float* final,
                             float* entries) {
    recurrence::forward(*call, first, o, final, entries);
}

EXPORTED void move37_backward(const recurrence::Call* call, const float* entries, const recurrence::Tokens* d_o,
                              const float* d_final, float* d_first, const recurrence::Gradients* out) {
    recurrence::backward(*call, entries, *d_o, d_final, d_first, *out);
}
