// The delta rule inside a chunk. With R = V - (K exp(G)) S and L the scores of keys against earlier keys, the writes
// are U = diag(beta) W with (I + L diag(beta)) W = R, solved by substitution in blocks. W = U / beta is saved, so that
// the gradient of beta needs no division.
#pragma once

#include "tiles.h"

namespace recurrence {
using namespace tiles;

// Overwrite R [C, Dv] with W, and compute U = diag(beta) W.
inline void substitute(float* w, float* u, const float* key_scores, const float* beta, int chunk, int rows, int width) {
    for (int start = 0; start < rows; start += BLOCK) {
        product<Update::subtract>(w + start * width, width, plain(key_scores + start * chunk, chunk), u, width, BLOCK,
                                  width, start);
        for (int i = start; i < start + BLOCK; ++i)
            for (int d = 0; d < width; d += LANES) {
                Vector row = at(w + i * width + d);
                for (int j = start; j < i; ++j) row -= key_scores[i * chunk + j] * at(u + j * width + d);
                at(w + i * width + d) = row;
                at(u + i * width + d) = beta[i] * row;
            }
    }
}

// The adjoint: compute dR [C, Dv] and dbeta [C] from dU [C, Dv], which is overwritten.
//     dX = dU - L^T dR;   dR = diag(beta) dX;   dbeta_i = <dX_i, W_i>
inline void substitute_back(float* d_u, float* d_r, float* d_beta, const float* w, const float* key_scores,
                            const float* beta, int chunk, int rows, int width) {
    for (int start = rows - BLOCK; start >= 0; start -= BLOCK) {
        const int next = start + BLOCK;
        product<Update::subtract>(d_u + start * width, width, transposed(key_scores + next * chunk + start, chunk),
                                  d_r + next * width, width, BLOCK, width, rows - next);
        for (int i = next - 1; i >= start; --i) {
            for (int d = 0; d < width; d += LANES) {
                Vector row = at(d_u + i * width + d);
                for (int j = i + 1; j < next; ++j) row -= key_scores[j * chunk + i] * at(d_r + j * width + d);
                at(d_u + i * width + d) = row;
                at(d_r + i * width + d) = beta[i] * row;
            }
            d_beta[i] = dot(d_u + i * width, w + i * width, width);
        }
    }
}
}  // namespace recurrence
