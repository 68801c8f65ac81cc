"""A reference from outside: the multivariate TPE of Optuna on a table, without the lab."""

from agents.search.choices import Choices
from benchmarks.policies.table import MAX_IDEAS, PublishedTable

NAME = "optuna-tpe"


def search(table: PublishedTable, seed: int, queries: int) -> list[Choices]:
    """Return the designs that TPE evaluated, in order. Raises ImportError without the package (extra `bench`).

    The designs that open a campaign open it too. A repeated design costs no query, as in a slot of the lab: TPE gets
    its value again, MAX_IDEAS times in a row.
    """
    import optuna  # pyright: ignore[reportMissingImports]

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    evaluated: list[Choices] = []
    repeats = 0

    def objective(trial: optuna.Trial) -> float:
        nonlocal repeats
        chosen = tuple(trial.suggest_categorical(axis, options) for axis, options in table.space.options.items())
        design = table.space.checked(chosen)
        if design is None:
            raise optuna.TrialPruned
        repeats = repeats + 1 if design in evaluated else 0
        if repeats == 0 or repeats > MAX_IDEAS:
            evaluated.append(design)
            repeats = 0
        return table.validation(design, seed)

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(multivariate=True, seed=seed))
    for name in table.founders(seed):
        study.enqueue_trial(table.space.to_json(table.space.founder(name).design))
    while len(evaluated) < queries:
        study.optimize(objective, n_trials=queries - len(evaluated))
    return evaluated
