# What belongs to others in production, for docker-compose.yml alone: a mail server with a mailbox to look into, an
# identity provider, a stand-in for WhatsApp's; and the commands that make secrets, databases and topics.
ARG BUILD_IMAGE=python:3.11-slim-bookworm
ARG RUN_IMAGE=python:3.11-slim-bookworm

FROM ${BUILD_IMAGE} AS build
WORKDIR /src
# The image's certificates, among which a company's own authority may be.
ENV UV_SYSTEM_CERTS=1
COPY deploy/images/build-requirements.txt ./
RUN python3 -m venv /opt/tools \
    && /opt/tools/bin/python -m pip install --no-cache-dir --require-hashes -r build-requirements.txt
COPY deploy/images/outside-requirements.txt ./
RUN python3 -m venv --without-pip /opt/packages \
    && /opt/tools/bin/uv pip sync --python /opt/packages/bin/python --no-cache --compile-bytecode --require-hashes \
        outside-requirements.txt
COPY libs ./libs
COPY services/intake ./services/intake
# Each project is built from its own folder, in a shell of its own.
# hadolint ignore=DL3003
RUN for project in libs/events libs/kit libs/stack services/intake; do \
        (cd "${project}" && /opt/tools/bin/python -m hatchling build -t wheel -d /wheels) || exit 1; \
    done \
    && /opt/tools/bin/uv pip install --python /opt/packages/bin/python --no-cache --no-deps --compile-bytecode \
        --target /opt/own /wheels/*.whl

FROM ${RUN_IMAGE}
COPY --from=build /opt/packages /opt/packages
COPY --from=build /opt/own /opt/own
ENV PATH=/opt/own/bin:/opt/packages/bin:${PATH} \
    PYTHONPATH=/opt/own \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 8401 2525
ENTRYPOINT ["python3", "-m"]
CMD ["anliegen.stack.outside", "--home=/data/outside", "--host=0.0.0.0", "--name=outside", "--port=8401", "--smtp-port=2525"]
