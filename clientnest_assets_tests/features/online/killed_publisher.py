"""A process that publishes without end, each generation with one value for all entities, until it is killed."""

import itertools
import sys

from clientnest_assets.features.online.postgres import PostgresStore
from clientnest_assets.features.online.redis import RedisStore
from clientnest_assets_tests.features.online.conftest import position, simple_rows, simple_view

ENTITIES = 3000
LOCK_SECONDS = 0.5


def open_store(url, namespace):
    return RedisStore(url, namespace, lock_seconds=LOCK_SECONDS) if url.startswith("redis") else PostgresStore(url)


def state_of(number):
    """Generations differ in every value, and in who is there: every seventh user is away in each third one."""
    return simple_rows([None if number % 3 == 0 and user % 7 == 0 else number for user in range(ENTITIES)])


if __name__ == "__main__":
    store = open_store(*sys.argv[1:3])
    sys.stdin.readline()
    for number in itertools.count(int(sys.argv[3])):
        store.publish(simple_view(), state_of(number), position(number))
        print(number, flush=True)
