# The operator's image (target "operator"), and the one that plays Microsoft and the product in `make kind` (target "demo").

# A digest pins what everything else stands on: --build-arg PYTHON=python:3.12-slim@sha256:…
ARG PYTHON=python:3.12-slim

FROM ${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /source
# Whatever pip installs is named by a lock, with its hash; the two that build the wheel stay in this stage.
COPY requirements.lock hack/localstack/pypi/build.lock ./
RUN python -m venv /opt/graphmail \
 && /opt/graphmail/bin/pip install --require-hashes --no-deps --only-binary :all: -r requirements.lock \
 && pip install --require-hashes --no-deps -r build.lock
COPY LICENSE README.md pyproject.toml ./
COPY crds crds
COPY operator operator
RUN python -m hatchling build -t wheel -d /wheels \
 && /opt/graphmail/bin/pip install --no-deps --no-index /wheels/*.whl \
 && /opt/graphmail/bin/pip uninstall --yes pip

FROM ${PYTHON} AS operator
# Python's image brings an installer, and a copy of it to install it from; by its path, as the operator's own Python has none.
RUN /usr/local/bin/python -m pip uninstall --yes pip \
 && rm -r /usr/local/lib/python3.*/ensurepip
ENV PATH=/opt/graphmail/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
COPY --from=build /opt/graphmail /opt/graphmail
USER 65532:65532
ENTRYPOINT ["graphmail"]
CMD ["run"]

FROM operator AS demo
ENV PYTHONPATH=/app/hack
COPY hack /app/hack
COPY tests/fixtures /app/tests/fixtures
ENTRYPOINT []

# What is built when no target is named.
FROM operator
