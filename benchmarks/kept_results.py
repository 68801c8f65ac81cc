"""Results of long jobs, done in several processes and kept in a file; a stopped benchmark goes on from there."""

import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


def collect_results(
    jobs: Iterable[Job], known: Mapping[Job, Result], work: Callable[[Job], Result], out: Path | None, processes: int
) -> dict[Job, Result]:
    """Return the known results and those of the other jobs; append each of these to `out` as it ends, if there is one.

    Results are dataclasses; a line of `out` is one as JSON.
    """
    results = dict(known)
    with ProcessPoolExecutor(processes) as pool:
        futures = {pool.submit(work, job): job for job in dict.fromkeys(jobs) if job not in results}
        for done in as_completed(futures):
            result: Any = done.result()
            results[futures[done]] = result
            if out:
                with out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(result)) + "\n")
    return results
