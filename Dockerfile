# One image for every role: `docker compose up --build`. SECURITY.md says how to pin the base by its digest.
ARG PYTHON_IMAGE=python:3.11-slim
FROM ${PYTHON_IMAGE}
WORKDIR /move37
ENV OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 PIP_NO_CACHE_DIR=1
# openssl makes the server's certificate (deploy/make-secrets); wherever pip gets certificates from, it is there already.
RUN command -v openssl || { apt-get update && apt-get install -y --no-install-recommends openssl; }
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
COPY deploy/make-secrets /usr/local/bin/make-secrets
RUN lock/install python "${EXTRA}"
# A new volume takes the owner of the folder that it is mounted on.
RUN useradd --uid 10001 --user-group --home-dir /lab --no-create-home move37 \
    && mkdir -p /lab/artifacts /secrets /data /volumes/move37-campaign/artifacts \
    && chown -R move37:move37 /lab /secrets /data /volumes
USER 10001:10001
ENTRYPOINT ["move37"]
