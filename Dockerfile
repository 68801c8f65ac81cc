# One image for every role: `docker compose up --build`. SECURITY.md says how to pin the base by its digest.
ARG PYTHON_IMAGE=python:3.11-slim
FROM ${PYTHON_IMAGE}
WORKDIR /move37
ENV OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 PIP_NO_CACHE_DIR=1
ARG EXTRA=cpu
# The index that has torch's builds for CPUs; whatever an index offers, pip takes only what the lock's hashes name.
ARG PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu
COPY pyproject.toml setup.py README.md LICENSE ./
COPY lock lock
COPY agents agents
COPY architecture architecture
COPY bus bus
COPY dashboard dashboard
COPY kernels kernels
COPY lab lab
COPY memory memory
COPY sandbox sandbox
COPY stand_ins stand_ins
COPY trainer trainer
RUN lock/install python "${EXTRA}"
ENTRYPOINT ["move37"]
