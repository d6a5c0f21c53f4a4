"""`kill -9` of a capture at random moments, while the app writes: every version and every delete once."""

import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import psycopg

KILLS = 6
PROGRAM = """
import sys, time
from pathlib import Path
from clientnest_assets.lake import Lake
from clientnest_assets.sources.change_capture import *
from clientnest_assets.sources.change_capture import capture as module

module.MESSAGES_AT_ONCE = 40
url, lake, folder = sys.argv[1:]
capture = Capture(url, Lake(lake), b"k" * 32, Path(folder), by_clock=True)
while True:
    try:
        with connected(url) as connection:
            while True:
                done = capture_once(capture, connection)
                print(sum(each.changes for each in done.tables.values()), flush=True)
    except CaptureBusyError:
        time.sleep(0.05)
"""


class App:
    """Writes posts, changes and deletes them, and knows what a capture has to know of them."""

    def __init__(self, url, seed):
        self.connection, self.random = psycopg.connect(url), random.Random(seed)
        self.alive, self.versions, self.deleted, self.last = {}, set(), 0, 0
        self.moment = datetime.now(UTC) - timedelta(days=3)

    def write(self):
        """One transaction, of which each row is changed once."""
        chosen = self.random
        touched = set()
        for _ in range(chosen.randint(1, 8)):
            self.moment += timedelta(minutes=chosen.randint(1, 9))
            when = self.moment.isoformat()
            kind = chosen.choice(["insert", "update", "update", "delete"])
            number = chosen.choice(sorted(self.alive.keys() - touched) or [0])
            if kind == "insert" or not number:
                self.last = number = self.last + 1
                self.connection.execute(
                    "insert into social_posts values (%s, 1, 1, 'twitter', %s, '{}', null, 'draft', null, null, true, now(), %s)",
                    (number, f"post {number}", when),
                )
            elif kind == "update":
                self.connection.execute(
                    "update social_posts set content = %s, updated_at = %s where id = %s", (f"at {when}", when, number)
                )
            else:
                self.connection.execute("delete from social_posts where id = %s", (number,))
                touched.add(number)
                self.alive.pop(number)
                self.deleted += 1
                continue
            touched.add(number)
            self.alive[number] = self.moment
            self.versions.add((number, self.moment))
        self.connection.commit()


def test_killed_at_random_moments_it_captures_every_change_once(captured):
    chosen, app = random.Random(7), App(captured.capture.url, 3)
    arguments = [
        sys.executable,
        "-c",
        PROGRAM,
        captured.capture.url,
        captured.capture.lake.root,
        captured.capture.folder,
    ]
    captured.begin()
    for _ in range(KILLS):
        child = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        for _ in range(chosen.randint(1, 6)):
            for _ in range(chosen.randint(1, 25)):
                app.write()
            assert child.stdout.readline()
        for _ in range(chosen.randint(0, 30)):
            app.write()
        child.kill()
        child.communicate()
    captured.drain()

    rows = captured.raw("social_posts", "id", "updated_at", "deleted_at")
    versions = [(number, when) for number, when, dead in rows if dead is None]
    assert len(versions) == len(set(versions))
    assert set(versions) == app.versions
    assert sum(dead is not None for _, _, dead in rows) == app.deleted
    alive = dict(captured.latest("social_posts").select("id", "updated_at").rows())
    assert alive == app.alive
    assert captured.bad("social_posts") == []
