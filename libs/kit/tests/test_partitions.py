"""A key's partition is the one that Kafka's own clients choose."""

from uuid import uuid4

from aiokafka.partitioner import murmur2 as reference
from hypothesis import given
from hypothesis import strategies as st

from anliegen.kit.partitions import murmur2, partition_of


@given(st.binary(max_size=80))
def test_the_hash_is_the_one_of_the_client_library(data: bytes) -> None:
    assert murmur2(data) == reference(data) & 0xFFFFFFFF


def test_known_values_of_the_java_client_hold() -> None:
    # From the tests of org.apache.kafka.common.utils.Utils.
    known = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536}
    assert {data: murmur2(data) for data in known} == {data: value % 2**32 for data, value in known.items()}


def test_every_partition_is_used() -> None:
    assert {partition_of(str(uuid4()), 6) for _ in range(500)} == set(range(6))
