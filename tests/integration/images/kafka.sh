#!/bin/sh
# As the image apache/kafka does: settings are mounted at /mnt/shared/config, the log is formatted at the first start.
set -eu
settings=/mnt/shared/config/server.properties
run() { exec_="$1"; shift; $exec_ /opt/java/bin/java -XX:+UseSerialGC ${KAFKA_HEAP_OPTS:--Xmx384m} -cp '/opt/kafka/libs/*' "$@"; }
if [ ! -f /var/lib/kafka/data/meta.properties ]; then
    run "" kafka.tools.StorageTool format --standalone --ignore-formatted \
        -t "${CLUSTER_ID:-5L6g3nShT-eMCtK--X86sw}" -c "$settings"
fi
run exec kafka.Kafka "$settings"
