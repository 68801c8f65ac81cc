"""Mechanistic architecture design (Poli et al., arXiv 2403.17844): six small tasks that each test one ability.

Every file draws one task as the paper's code does (https://github.com/athms/mad-lab): its token layout, its targets in
training and in evaluation, its ignored positions. The random draws are our own: the distribution is the published one,
the sequences are not. Accuracy is a share of positions; the published accuracy is its mean over target tokens.
"""
