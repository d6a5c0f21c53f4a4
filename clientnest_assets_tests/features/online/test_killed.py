"""A publisher killed at any moment leaves the generation before whole, and the next publication is not disturbed."""

import random
import subprocess
import sys
import time
import uuid

import pytest

from clientnest_assets_tests.features.online.conftest import position, simple_view
from clientnest_assets_tests.features.online.killed_publisher import ENTITIES, open_store, state_of

KILLS = 10
LONGEST_SECONDS = 0.4
USERS = [{"user_id": user} for user in range(1, ENTITIES + 1)]


def start(url, namespace, number):
    """A publisher that has loaded what it needs by the time it is told to go."""
    command = [sys.executable, "-m", "clientnest_assets_tests.features.online.killed_publisher"]
    return subprocess.Popen(
        [*command, url, namespace, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def settled(store, view):
    """The generation and its rows, once both are of one moment: PostgreSQL may still end what the killed one had asked."""
    while True:
        before = store.generation(view)
        (rows,) = store.read([view], USERS)
        if store.generation(view) == before:
            return before.position.version, rows


@pytest.mark.parametrize("kind", ["postgres", "redis"])
def test_kills_at_any_moment_leave_whole_generations(kind, request):
    url = request.getfixturevalue(f"{kind}_url")
    namespace, view, chance = uuid.uuid4().hex, simple_view(), random.Random(kind)
    store = open_store(url, namespace)
    store.clean([])
    store.publish(view, state_of(0), position(0))
    number, children = 0, [start(url, namespace, 1)]
    try:
        for _ in range(KILLS):
            child, first = children[-1], number + 1
            children.append(start(url, namespace, first + 1000))
            child.stdin.write("go\n")
            child.stdin.flush()
            child.stdout.readline()
            time.sleep(chance.uniform(0, LONGEST_SECONDS))
            child.kill()
            child.wait()

            number, rows = settled(store, view)
            assert number >= first
            expected = dict(state_of(number).select("user_id", "value").rows())
            assert [row and row.values[0] for row in rows] == [expected.get(user["user_id"]) for user in USERS]
            number = first + 999
            done = store.publish(view, state_of(number), position(number))
            assert done.is_current
            assert done.written + done.unchanged == state_of(number).height
    finally:
        for child in children:
            child.kill()
            child.wait()
