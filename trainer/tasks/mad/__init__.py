"""Mechanistic architecture design (Poli et al., arXiv 2403.17844): six small tasks that each ask for one ability.

Every file draws one task as the paper's code does (https://github.com/athms/mad-lab): its token layout, its targets in
training and in evaluation, its ignored positions. Random draws are ours, so the distribution is the published one and
the sequences are not. Accuracy is the share of asked positions; the published one is its mean over target tokens.
"""
