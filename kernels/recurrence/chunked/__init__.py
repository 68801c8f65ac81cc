"""The recurrence in chunks: matrix products inside a chunk, and a short loop over the states between chunks.

The chunk form is that of Yang et al. 2023 (arXiv 2312.06635) and, for the delta rule, of Yang et al. 2024 (arXiv
2406.06484 and 2412.06464). `kernels/README.md` derives it.
"""
