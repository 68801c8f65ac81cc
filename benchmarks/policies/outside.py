"""A reference from outside: the multivariate TPE of Optuna on a table, without the lab."""

from agents.search.choices import Choices
from benchmarks.policies.table import PublishedTable

NAME = "optuna-tpe"


def search(table: PublishedTable, seed: int, queries: int) -> list[Choices]:
    """Return the designs that TPE evaluated, in order. Raises ImportError without the package (extra `bench`)."""
    import optuna  # pyright: ignore[reportMissingImports]

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    evaluated: list[Choices] = []

    def objective(trial: optuna.Trial) -> float:
        chosen = tuple(trial.suggest_categorical(axis, options) for axis, options in table.space.options.items())
        design = table.space.checked(chosen)
        if design is None:
            raise optuna.TrialPruned
        evaluated.append(design)
        return table.validation(design, seed)

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(multivariate=True, seed=seed))
    while len(evaluated) < queries:
        study.optimize(objective, n_trials=queries - len(evaluated))
    return evaluated
