// The linear recurrence on a CPU, in chunks, one head after the other: forward, and backward with recomputation.
//
// Forward keeps the state at the start of every chunk and nothing else. Backward goes through the chunks against time,
// makes each again from the inputs and that state, and carries dS, the gradient of the state. The names are those of
// kernels/README.md; Y = dO, and Q stands for scale * Q.

#include "chunk.h"

namespace recurrence {

// State [Dk, Dv] to and from its padded form.
static void load_state(float* tile, const Chunk& c, const float* state) {
    load(tile, c.V, state, c.call.value, c.call.key, c.K, c.call.value);
}

static void forward(const Call& call, const float* first, float* o, float* final, float* entries) {
    Arena arena(Chunk::floats(call));
    Chunk c(call, arena);
    float *state = arena.take(c.K, c.V), *out = arena.take(c.C, c.V);
    for (int64_t n = 0; n < call.batch * call.heads; ++n) {
        const int64_t row = n / call.heads, head = n % call.heads;
        load_state(state, c, first + n * call.key * call.value);
        for (int64_t step = 0; step < call.length; step += c.C, entries += c.K * c.V) {
            std::memcpy(entries, state, c.K * c.V * sizeof(float));
            c.enter(row, head, step, state);
            product<Put::set, Shape::lower>(out, c.V, plain(c.scores, c.C), c.u, c.V, c.size, c.V, c.size);
            product<Put::add>(out, c.V, plain(c.read_q, c.K), state, c.V, c.size, c.V, c.K);
            store(o + c.place * call.value, call.heads * call.value, out, c.V, c.count, call.value);
            c.fade_state(state);
            product<Put::add>(state, c.V, turned_over(c.write_k, c.K), c.u, c.V, c.K, c.V, c.size);
        }
        store(final + n * call.key * call.value, call.value, state, c.V, call.key, call.value);
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
    float *u_turned, *state_turned, *d_state_turned, *d_state;
    float *own, *d_beta, *kept;                // diagonal of dP [C]; [C]; <S, dS'> exp(G_C) [Dk]

    Backward(const Call& call, Arena& arena) : c(call, arena) {
        for (float** x : {&y, &d_u, &u_turned}) *x = arena.take(c.C, c.V);
        d_r = c.delta ? arena.take(c.C, c.V) : d_u;
        for (float** x : {&d_q, &d_k, &d_read, &across, &felt, &written}) *x = arena.take(c.C, c.K);
        for (float** x : {&d_scores, &d_links}) *x = arena.take(c.C, c.C);
        for (float** x : {&state_turned, &d_state_turned, &d_state}) *x = arena.take(c.K, c.V);
        for (float** x : {&own, &d_beta}) *x = arena.take(1, c.C);
        kept = arena.take(1, c.K);
    }

    void chunk(int64_t row, int64_t head, int64_t step, const float* state, const float* d_o, const Gradients& out);

  private:
    void through_scores();
    void through_states();
    void through(float* d_x, const float* factor, const float* x, float* touched, bool first);
    void decay_steps(float* d_g) const;
};

// One chunk, with its entry state; d_state is the gradient of its exit state before, of its entry state after.
void Backward::chunk(int64_t row, int64_t head, int64_t step, const float* state, const float* d_o,
                     const Gradients& out) {
    const Call& call = c.call;
    c.enter(row, head, step, state);
    const int C = c.C, K = c.K, V = c.V, size = c.size;
    load(y, V, d_o + c.place * call.value, call.heads * call.value, c.count, size, call.value);
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

// dP = lower(Y U^T), dL = -lower(dR U^T), and what queries, keys and running sum feel of them. The diagonal of P carries
// no decay; its large equal terms are set aside, so that they need not cancel.
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
    product<Put::set>(across, K, plain(y, V), state_turned, K, size, K, V);
    through(d_q, c.decay.read, c.read_q, felt, false);
    product<Put::set>(across, K, plain(c.u, V), d_state_turned, K, size, K, V);
    through(d_k, c.decay.left, c.write_k, written, true);
    if (!c.delta) return;
    product<Put::negate>(across, K, plain(d_r, V), state_turned, K, size, K, V);
    through(d_read, c.decay.read, c.read_k, felt, false);
    for (int n = 0; n < size * K; n += LANES) at(d_k + n) += at(d_read + n);
}

// d_x += across * factor, and what the decayed x (= x * factor) felt of it.
void Backward::through(float* d_x, const float* factor, const float* x, float* touched, bool first) {
    for (int n = 0; n < c.size * c.K; n += LANES) {
        if (!c.decays) {
            at(d_x + n) += at(across + n);
            continue;
        }
        at(d_x + n) += at(across + n) * at(factor + n);
        const Vector touch = at(across + n) * at(x + n);
        at(touched + n) = first ? touch : at(touched + n) + touch;
    }
}

// From the running sum to the steps: what step t decays is felt from t on, by the writes before t, and by the state.
//     dg_t = sum_{i >= t} felt_i + sum_{j < t} written_j + kept
void Backward::decay_steps(float* d_g) const {
    const Call& call = c.call;
    const bool by_head = call.kind == HEAD;
    const int columns = by_head ? 1 : int(call.key), span = by_head ? c.K : 1;
    for (int column = 0; column < columns; ++column) {
        const auto sum = [&](const float* x) {
            double result = 0;
            for (int d = 0; d < span; ++d) result += x[column + d];
            return result;
        };
        double running = sum(kept);
        for (int i = 0; i < c.size; ++i) running += sum(felt + i * c.K);
        for (int i = 0; i < c.count; ++i) {
            d_g[i * call.heads * columns + column] = float(running);
            running += sum(written + i * c.K) - sum(felt + i * c.K);
        }
    }
}

static void backward(const Call& call, const float* entries, const float* d_o, const float* d_final, float* d_first,
                     const Gradients& out) {
    Arena arena(2 * Chunk::floats(call));
    Backward b(call, arena);
    const Chunk& c = b.c;
    const int64_t chunks = (call.length + c.C - 1) / c.C;
    for (int64_t n = 0; n < call.batch * call.heads; ++n) {
        load_state(b.d_state, c, d_final + n * call.key * call.value);
        for (int64_t m = chunks - 1; m >= 0; --m)
            b.chunk(n / call.heads, n % call.heads, m * c.C, entries + (n * chunks + m) * c.K * c.V, d_o, out);
        store(d_first + n * call.key * call.value, call.value, b.d_state, c.V, call.key, call.value);
    }
}
}  // namespace recurrence

extern "C" {
__attribute__((visibility("default"))) void move37_forward(const recurrence::Call* call, const float* first, float* o, float* final, float* entries) {
    recurrence::forward(*call, first, o, final, entries);
}

__attribute__((visibility("default"))) void move37_backward(const recurrence::Call* call, const float* entries, const float* d_o, const float* d_final,
                     float* d_first, const recurrence::Gradients* out) {
    recurrence::backward(*call, entries, d_o, d_final, d_first, *out);
}
}
