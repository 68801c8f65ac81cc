"""Researcher programs under test: landscapes that answer for the trainer, searches on them, and scores of programs.

A program never shares a process with a landscape or with the scorer: it is asked in the sandbox
(`agents.search.programs`), its proposals are bred and valued here. `agents.meta` decides which programs are tried.
"""
