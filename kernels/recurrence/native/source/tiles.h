// Small dense tiles: products, transposes, exponentials. A tile is row-major in a core's cache. Its width is a multiple
// of PAD floats, and its unused columns are zero. One source serves every instruction set: LANES follows the compiler's
// flags.
#pragma once

#include <cstdint>
#include <cstring>

#include "prefetch.h"

namespace tiles {

#if defined(__AVX512F__)
constexpr int LANES = 16, ROWS = 8;
#elif defined(__AVX2__)
constexpr int LANES = 8, ROWS = 4;
#else
constexpr int LANES = 4, ROWS = 4;
#endif
constexpr int PAD = 16;   // every width and height is padded to a multiple of this
constexpr int BLOCK = 8;  // edge of the blocks into which a triangle is cut

typedef float Vector __attribute__((vector_size(4 * LANES), may_alias));
typedef int32_t Integers __attribute__((vector_size(4 * LANES), may_alias));
typedef float Four __attribute__((vector_size(16), may_alias));
typedef int32_t Four_index __attribute__((vector_size(16)));

inline int padded(int n) { return (n + PAD - 1) / PAD * PAD; }
inline Vector& at(float* x) { return *reinterpret_cast<Vector*>(x); }
inline const Vector& at(const float* x) { return *reinterpret_cast<const Vector*>(x); }

// The left operand of a product: element (m, k) is x[m * row + k * step].
struct Left {
    const float* x;
    int row, step;
};
inline Left plain(const float* x, int width) { return {x, width, 1}; }
inline Left transposed(const float* x, int width) { return {x, 1, width}; }

enum class Update { set, add, subtract, negate };  // =, +=, -=, = -

// The part of a product that is computed. `lower`: the left operand is zero for k > m. `upper`: it is zero for k < m.
// `corner`: only the columns n <= m of the result are needed.
enum class Shape { full, lower, upper, corner };

// out[ROWS, VECTORS * LANES] of a product, held in registers.
template <Update UPDATE, int VECTORS>
inline void block(float* out, int width, Left left, const float* right, int right_width, int first, int last) {
    constexpr bool accumulate = UPDATE == Update::add || UPDATE == Update::subtract;
    Vector sum[ROWS][VECTORS];
    for (int m = 0; m < ROWS; ++m)
        for (int n = 0; n < VECTORS; ++n) sum[m][n] = accumulate ? at(out + m * width + n * LANES) : Vector{};
    for (int k = first; k < last; ++k) {
        Vector row[VECTORS];
        for (int n = 0; n < VECTORS; ++n) row[n] = at(right + k * right_width + n * LANES);
        for (int m = 0; m < ROWS; ++m) {
            const float x = left.x[m * left.row + k * left.step];
            for (int n = 0; n < VECTORS; ++n)
                if (UPDATE == Update::subtract || UPDATE == Update::negate) sum[m][n] -= x * row[n];
                else sum[m][n] += x * row[n];
        }
    }
    for (int m = 0; m < ROWS; ++m)
        for (int n = 0; n < VECTORS; ++n) at(out + m * width + n * LANES) = sum[m][n];
}

// Update out[rows, columns] with left[rows, depth] right[depth, columns].
template <Update UPDATE, Shape SHAPE = Shape::full>
inline void product(float* out, int width, Left left, const float* right, int right_width, int rows, int columns,
                    int depth) {
    Prefetcher& prefetcher = tiles::prefetcher;
    for (int m = 0; m < rows; m += ROWS) {
        prefetcher.fetch_some();
        const int edge = m / BLOCK * BLOCK;
        const int first = SHAPE == Shape::upper ? edge : 0;
        const int last = SHAPE == Shape::lower ? edge + BLOCK : depth;
        const int end = SHAPE == Shape::corner ? padded(edge + BLOCK) : columns;
        const Left here = {left.x + m * left.row, left.row, left.step};
        int n = 0;
        for (; n + 2 * LANES <= end; n += 2 * LANES)
            block<UPDATE, 2>(out + m * width + n, width, here, right + n, right_width, first, last);
        for (; n < end; n += LANES)
            block<UPDATE, 1>(out + m * width + n, width, here, right + n, right_width, first, last);
    }
}

// out[columns, rows] = in[rows, columns]
inline void transpose(float* out, int out_width, const float* in, int in_width, int rows, int columns) {
    for (int i = 0; i < rows; i += 4)
        for (int j = 0; j < columns; j += 4) {
            Four x[4];
            for (int n = 0; n < 4; ++n) x[n] = *reinterpret_cast<const Four*>(in + (i + n) * in_width + j);
            const Four a = __builtin_shuffle(x[0], x[1], (Four_index){0, 4, 1, 5});
            const Four b = __builtin_shuffle(x[2], x[3], (Four_index){0, 4, 1, 5});
            const Four c = __builtin_shuffle(x[0], x[1], (Four_index){2, 6, 3, 7});
            const Four d = __builtin_shuffle(x[2], x[3], (Four_index){2, 6, 3, 7});
            const Four columns_of[4] = {
                __builtin_shuffle(a, b, (Four_index){0, 1, 4, 5}), __builtin_shuffle(a, b, (Four_index){2, 3, 6, 7}),
                __builtin_shuffle(c, d, (Four_index){0, 1, 4, 5}), __builtin_shuffle(c, d, (Four_index){2, 3, 6, 7})};
            for (int n = 0; n < 4; ++n) *reinterpret_cast<Four*>(out + (j + n) * out_width + i) = columns_of[n];
        }
}

// Return exp(x) to two units in the last place, for x <= 88; zero below -87, where fp32 has no normal number left.
inline Vector exponential(Vector x) {
    const Vector magic = Vector{} + 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer in the low bits
    const Integers underflow = x < -87.0f;
    const Vector bounded = underflow ? Vector{} : x;
    const Vector shifted = bounded * 1.44269504088896341f + magic;
    const Vector whole = shifted - magic;
    const Vector remainder = bounded - whole * 0.693145751953125f - whole * 1.42860682030941723e-6f;
    Vector series = Vector{} + 1.0f / 720;
    series = series * remainder + 1.0f / 120;
    series = series * remainder + 1.0f / 24;
    series = series * remainder + 1.0f / 6;
    series = series * remainder + 0.5f;
    series = series * remainder + 1.0f;
    series = series * remainder + 1.0f;
    const Integers power = ((Integers)shifted - (Integers)magic + 127) << 23;
    return underflow ? Vector{} : series * (Vector)power;
}

// Return the sum of the lanes, added by halves.
inline float total(Vector x) {
    float lanes[LANES];
    std::memcpy(lanes, &x, sizeof x);
    for (int half = LANES / 2; half; half /= 2)
        for (int n = 0; n < half; ++n) lanes[n] += lanes[n + half];
    return lanes[0];
}

// Return the sum of a row, in fp64: it may be a small difference of large terms.
inline double sum(const float* x, int width) {
    double sums[8] = {};
    for (int d = 0; d < width; d += 8)
        for (int n = 0; n < 8; ++n) sums[n] += x[d + n];
    for (int half = 4; half; half /= 2)
        for (int n = 0; n < half; ++n) sums[n] += sums[n + half];
    return sums[0];
}

// Return <x, y> of two rows.
inline float dot(const float* x, const float* y, int width) {
    Vector sums = {};
    for (int d = 0; d < width; d += LANES) sums += at(x + d) * at(y + d);
    return total(sums);
}

// tile[rows, padded_width] = factor * x[steps, width], zero elsewhere; `stride` floats from one step of x to the next.
inline void load(float* tile, int padded_width, const float* x, int64_t stride, int steps, int rows, int width,
                 float factor = 1.0f) {
    for (int i = 0; i < steps; ++i) {
        for (int d = 0; d < width; ++d) tile[i * padded_width + d] = factor * x[i * stride + d];
        for (int d = width; d < padded_width; ++d) tile[i * padded_width + d] = 0;
    }
    std::memset(tile + steps * padded_width, 0, (rows - steps) * padded_width * sizeof(float));
}

// x[steps, width] = factor * tile[steps, width]
inline void store(float* x, int64_t stride, const float* tile, int padded_width, int steps, int width,
                  float factor = 1.0f) {
    for (int i = 0; i < steps; ++i)
        for (int d = 0; d < width; ++d) x[i * stride + d] = factor * tile[i * padded_width + d];
}

}  // namespace tiles
