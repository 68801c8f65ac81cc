"""The lab's services with real training on a rung of a few steps: `python -m tests.support.tiny_service ROLE INSTANCE`."""

from lab.runtime import roles, service
from tests.support.instant_service import memory
from tests.support.tiny_runs import tiny_scale
from trainer import scales

if __name__ == "__main__":
    scales.load = lambda _: tiny_scale()
    roles.BUILD = {**roles.BUILD, "memory": memory}
    service.main()
