# One image for every service, whichever part of it runs:
#   docker build --build-arg SERVICE=helpdesk -t anliegen/helpdesk .
#   docker run anliegen/helpdesk serve|work|migrate
# Whoever has base images of their own names them: BUILD_IMAGE needs python3 with venv, RUN_IMAGE the same python3. A
# package index of one's own is what the build image says in /etc/pip.conf and /etc/uv/uv.toml.
ARG BUILD_IMAGE=python:3.11-slim-bookworm
ARG RUN_IMAGE=python:3.11-slim-bookworm

FROM ${BUILD_IMAGE} AS packages
WORKDIR /src
# The image's certificates, among which a company's own authority may be.
ENV UV_SYSTEM_CERTS=1
COPY deploy/images/build-requirements.txt ./
RUN python3 -m venv /opt/tools \
    && /opt/tools/bin/python -m pip install --no-cache-dir --require-hashes -r build-requirements.txt
ARG SERVICE
RUN test -n "${SERVICE}" || { echo "Say which service: --build-arg SERVICE=helpdesk" >&2; exit 1; }
# Services that need the same packages share this layer, and a change of our own code leaves it as it is.
COPY services/${SERVICE}/requirements.txt ./
RUN python3 -m venv --without-pip /opt/packages \
    && /opt/tools/bin/uv pip sync --python /opt/packages/bin/python --no-cache --compile-bytecode --require-hashes \
        requirements.txt \
    # Days and amounts are written in languages that we have texts in; those of all others take 30 MB.
    && find /opt/packages -path '*/babel/locale-data/*.dat' \
        ! -regex '.*/\(root\|de\|en\|fr\|it\)\(_[A-Za-z0-9_]*\)?\.dat' -delete

FROM packages AS own
ARG SERVICE
COPY libs/events ./libs/events
COPY libs/kit ./libs/kit
# What building this one service takes beyond what every service's does.
COPY services/${SERVICE}/pyproject.toml services/${SERVICE}/build-requirements.tx[t] ./building/
RUN [ ! -e building/build-requirements.txt ] \
    || /opt/tools/bin/uv pip install --python /opt/tools/bin/python --no-cache --require-hashes \
        -r building/build-requirements.txt
COPY services/${SERVICE} ./service
# Each project is built from its own folder, in a shell of its own.
# hadolint ignore=DL3003
RUN for project in libs/events libs/kit service; do \
        (cd "${project}" && /opt/tools/bin/python -m hatchling build -t wheel -d /wheels) || exit 1; \
    done \
    && /opt/tools/bin/uv pip install --python /opt/packages/bin/python --no-cache --no-deps --compile-bytecode \
        --target /opt/own /wheels/*.whl

FROM ${RUN_IMAGE}
ARG SERVICE
LABEL org.opencontainers.image.title="anliegen-${SERVICE}" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=packages /opt/packages /opt/packages
COPY --from=own /opt/own /opt/own
ENV PATH=/opt/own/bin:/opt/packages/bin:${PATH} \
    PYTHONPATH=/opt/own \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MALLOC_ARENA_MAX=2 \
    ANLIEGEN_SERVICES=${SERVICE}
# Nothing is written to the image's own files, so the root may be read-only, and nothing here needs to be root.
USER 10001:10001
EXPOSE 8400
ENTRYPOINT ["anliegen"]
CMD ["serve", "--host=0.0.0.0"]
