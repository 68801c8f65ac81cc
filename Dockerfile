# One image for every role: `docker compose up --build`.
FROM python:3.11-slim
WORKDIR /move37
ENV OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 PIP_NO_CACHE_DIR=1
ARG EXTRA=cpu
COPY pyproject.toml setup.py constraints.txt README.md LICENSE ./
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
RUN pip install -c constraints.txt torch && pip install -c constraints.txt -e ".[${EXTRA}]"
ENTRYPOINT ["move37"]
