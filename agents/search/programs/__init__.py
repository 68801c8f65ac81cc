"""Researcher programs: search policies as sources of their own, run in the sandbox.

A program is one Python source whose module declares `POLICY`, a subclass of `agents.search.policy.SearchPolicy`. The
built-in policies are such programs. A source from a person or a model is checked (`checking`), loaded by a process in
the jail (`hosting`, `inside`) and asked through a policy that lives outside it (`guest`).

    from agents.search.programs.hosting import ProgramHost, load_program

    with load_program(source) as program:            # checked, then loaded in a jail of its own
        policy = program.policy                      # a SearchPolicy like any other
        suggestion = drive(policy.ask(status, state, Random(7)))  # yields queries of bus.vocabulary.queries
        program.cpu_seconds                          # what it has computed, as the kernel counts it

    with ProgramHost() as host:                      # for many programs one after another: the jail starts once
        for source in sources:
            with host.load(source) as program: ...

`load` and each step of `ask` and `tell` raise ProgramFault (`faults` lists its reasons) and nothing else of the
program's. After a fault the program may be asked again: it starts from its source. In a campaign the director yields
each step as a question (`bus.vocabulary.questions.ProgramStep`), so that the trace holds the answer and a replay runs
no program.
"""
