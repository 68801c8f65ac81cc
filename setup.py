"""The one compiled part: `kernels/recurrence/native`, once for each set of vector instructions.

Optional: where there is no C++ compiler the install succeeds without it, and recurrences take the portable form. In
place, for work on it: `python setup.py build_ext --inplace`.
"""

import platform
from pathlib import Path

from setuptools import Extension, setup

SOURCE = Path("kernels/recurrence/native/source")
# No -ffast-math: a NaN has to stay one.
COMMON = ["-std=c++17", "-O3", "-fno-wrapv", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math"]
INSTRUCTIONS = {"portable": []}
if platform.machine() in ("x86_64", "AMD64"):
    INSTRUCTIONS["avx2"] = ["-mavx2", "-mfma"]
    INSTRUCTIONS["avx512"] = ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma"]

setup(
    ext_modules=[
        Extension(
            f"kernels.recurrence.native._{name}",
            sources=[str(SOURCE / "recurrence.cpp")],
            depends=sorted(str(header) for header in SOURCE.glob("*.h")),
            extra_compile_args=[*COMMON, "-fvisibility=hidden", *flags],
            language="c++",
            optional=True,
        )
        for name, flags in INSTRUCTIONS.items()
    ]
)
