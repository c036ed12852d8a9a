"""A folder to rate and its page, served in this process; no tests here."""

import contextlib
import json
import pathlib
from collections.abc import Iterator

from support.app_server import Answer, Client
from support.sounds import put, sound

from cak_jax.apps.rate import server
from cak_jax.apps.rate.raters import PairRater, SingleRater
from cak_jax.data import scan


def fill(folder: pathlib.Path, count: int = 5) -> pathlib.Path:
    """Write short sounds into a folder and one below it; return the folder."""
    for index in range(count):
        place = folder / "low" if index % 2 else folder
        put(place, f"{index}.wav", sound(0.6, seed=index))
    return folder


class RatedPage(Client):
    """Sends requests to a page, as its script does."""

    def __init__(self, address: str, site: server.Site, reported: list):
        super().__init__(address, "")
        self.site, self.reported = site, reported

    def state(self, query: str = "") -> dict:
        return json.loads(self.request(f"/state{query}").body)

    def send(self, state: dict, value=None, path="/answer", **changes) -> Answer:
        """Answer the question of a state, or skip it."""
        message = {name: state[name] for name in ("run", "revision", "place")}
        message["sounds"] = [shown["number"] for shown in state["sounds"]]
        message |= {"value": value} | changes
        kind = {"Content_Type": "application/json"}
        return self.request(path, json.dumps(message).encode(), **kind)

    def answer(self, value: int) -> dict:
        """Answer the next question; return the one after it."""
        answer = self.send(self.state(), value)
        assert answer.status == 200, answer
        return json.loads(answer.body)


@contextlib.contextmanager
def rated(
    folder: pathlib.Path, table: pathlib.Path, pairs: bool = False, question: str = ""
) -> Iterator[RatedPage]:
    """Serve the page for the sounds of a folder."""
    sources, _ = scan.find_sources(str(folder))
    names = [source.name for source in sources]
    rater = (PairRater if pairs else SingleRater)(table, names)
    reported: list[tuple[str, str]] = []
    site = server.Site(rater, sources, question, lambda *file: reported.append(file))
    with server.opened(site, 0) as address:
        yield RatedPage(address, site, reported)
