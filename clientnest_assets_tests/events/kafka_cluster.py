"""A Kafka cluster in a process of its own: prints its brokers, and runs until its input ends.

librdkafka's mock cluster, made through its C interface, where a topic's partitions and the group's first delay can be
set: `python kafka_cluster.py TOPIC PARTITIONS`. Its threads are nobody else's trouble here.
"""

import ctypes
import sys
from pathlib import Path

import confluent_kafka

BROKERS = 3
FIRST_REBALANCE_MILLISECONDS = 50


def main(topic: str, partitions: int) -> None:
    [file] = (Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs").glob("librdkafka*.so*")
    library = ctypes.CDLL(str(file))

    def call(name: str, *arguments: object, gives: type = ctypes.c_void_p) -> object:
        function = getattr(library, name)
        function.restype = gives
        return function(*arguments)

    configuration = ctypes.c_void_p(call("rd_kafka_conf_new"))
    client = ctypes.c_void_p(call("rd_kafka_new", 0, configuration, ctypes.create_string_buffer(256), 256))
    cluster = ctypes.c_void_p(call("rd_kafka_mock_cluster_new", client, BROKERS))
    call("rd_kafka_mock_topic_create", cluster, topic.encode(), partitions, 1)
    call("rd_kafka_mock_group_initial_rebalance_delay_ms", cluster, FIRST_REBALANCE_MILLISECONDS)
    brokers = call("rd_kafka_mock_cluster_bootstraps", cluster, gives=ctypes.c_char_p)
    print(brokers.decode(), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
