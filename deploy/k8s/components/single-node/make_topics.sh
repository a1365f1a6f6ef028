# Make the topics of the manifest, as far as they are missing: name, partitions, retention in milliseconds.
set -eu
grep -v '^#' /scripts/topics.txt | while read -r name partitions retention; do
    /opt/kafka/bin/kafka-topics.sh --bootstrap-server anliegen-kafka:9092 --create --if-not-exists --topic "$name" \
        --partitions "$partitions" --replication-factor 1 --config "retention.ms=$retention" --config min.insync.replicas=1 \
        </dev/null
done
