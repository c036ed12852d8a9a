"""The server of the page: its files, the next question, answers and sounds.

    GET  /, /page.js, /page.css   the page
    GET  /state                   the next question
    GET  /state?before=N, ?after=N  the question before or after that at place N
    GET  /sound/N                 a WAV file of the folder's file number N
    POST /answer, /skip           {"run", "revision", "place", "sounds", "value"}

Only this machine reaches the server. `run` is drawn at its start, `revision` counts the
answers, and `sounds` are the files that the page shows: a page that shows another
question than the server's changes nothing.
"""

import collections
import contextlib
import http.server
import json
import os
import pathlib
import re
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from cak_jax.apps.rate import stretch
from cak_jax.apps.rate.pairs import ENOUGH
from cak_jax.apps.rate.raters import PairRater, Rater
from cak_jax.apps.rate.table import TableError
from cak_jax.audio.formats import AudioError
from cak_jax.data.scan import Source
from cak_jax.runtime.local_http import (
    LOOPBACK,
    RefusedError,
    check_caller,
    security_headers,
)
from cak_jax.runtime.text import printable

HOST = "127.0.0.1"
ASSETS = pathlib.Path(__file__).parent / "assets"
FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "media-src blob:; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
LARGEST_MESSAGE = 1 << 12
# Sounds that are kept ready, some 1.3 MB each.
KEPT_SOUNDS = 24
# Seconds that a request may take to come.
IDLE = 60
OTHER_TAB = (
    "the list was changed in another tab or window; this page shows it as it is now"
)
RESTARTED = "cak rate was started again; this page shows the list as it is now"


class Site:
    """What the routes return: questions, answers, sounds.

    Args:
      rater: asks the questions.
      sources: the files of the folder; the page names them by their numbers.
      question: what the page asks; "" for its own words.
      report: called with (name, reason) of a file that cannot be played.
    """

    def __init__(
        self,
        rater: Rater,
        sources: Sequence[Source],
        question: str,
        report: Callable[[str, str], None],
    ) -> None:
        self.rater, self.question, self.report = rater, question, report
        self.sources = list(sources)
        self.numbers = {source.name: n for n, source in enumerate(sources)}
        self.run, self.revision = secrets.token_hex(8), 0
        self._lock, self._decoding = threading.Lock(), threading.Lock()
        self._sounds: collections.OrderedDict[int, bytes] = collections.OrderedDict()

    def state(self, before: int | None = None, after: int | None = None) -> Any:
        """Return a question, and what the page shows around it."""
        with self._lock:
            return self._state(before, after)

    def change(self, message: Mapping[str, Any], is_answer: bool) -> Any:
        """Write an answer or skip a question; return the next question.

        Raises:
          RefusedError: the message fits no question, or not the present one.
          TableError, OSError: the table cannot be read or written.
        """
        with self._lock:
            if message.get("run") != self.run:
                raise RefusedError(409, RESTARTED)
            if message.get("revision") != self.revision:
                raise RefusedError(409, OTHER_TAB)
            place, value = message.get("place"), message.get("value")
            open_place = self.rater.open_place()
            last = self.rater.last_place() if open_place is None else open_place
            last = max(last, self.rater.last_place())
            if type(place) is not int or not 0 <= place <= last:
                raise RefusedError(400, "there is no such question")
            names = self.rater.question(place).names
            if message.get("sounds") != [self.numbers.get(name) for name in names]:
                raise RefusedError(409, OTHER_TAB)
            if not is_answer:
                self.rater.skip(place)
            elif type(value) is not int or value not in self.rater.ANSWERS:
                raise RefusedError(400, "there is no such answer")
            else:
                self.rater.answer(place, value)
            self.revision += 1
            return self._state()

    def sound(self, number: int) -> bytes:
        """Return the WAV file that is played for a file.

        Raises:
          RefusedError: there is no such file, or it cannot be played; it is asked about
            no more.
        """
        if number >= len(self.sources):
            raise RefusedError(404, "there is no such sound")
        # One at a time, because the page asks for the next sound while one is played.
        with self._decoding:
            if number in self._sounds:
                self._sounds.move_to_end(number)
                return self._sounds[number]
            source = self.sources[number]
            try:
                data = stretch.playable(source)
            except AudioError as error:
                with self._lock:
                    self.rater.leave_out(source.name)
                self.report(source.name, error.reason)
                sentence = f"{source.name}: {error.reason}; it is left out"
                raise RefusedError(422, sentence) from None
            self._sounds[number] = data
            while len(self._sounds) > KEPT_SOUNDS:
                self._sounds.popitem(last=False)
            return data

    def _state(self, before: int | None = None, after: int | None = None) -> Any:
        rater = self.rater
        open_place, last = rater.open_place(), rater.last_place()
        place = open_place
        if before is not None:
            place = self._showable(range(min(before - 1, last), -1, -1), open_place)
        elif after is not None:
            end = last + 1 if open_place is None else open_place
            place = self._showable(range(after + 1, end), open_place)
        question = rater.question(place)
        earlier = range(min(question.place - 1, last), -1, -1)
        upcoming = None
        if place is not None and not isinstance(rater, PairRater):
            upcoming = self._showable(range(place + 1, last + 1), None)
        return {
            "run": self.run,
            "revision": self.revision,
            "pairs": isinstance(rater, PairRater),
            "question": self.question,
            "table": printable(rater.path.name),
            "place": question.place,
            "sounds": [
                {"number": self.numbers[name], "name": name} for name in question.names
            ],
            "answer": question.answer,
            "done": question.done,
            "total": question.total,
            "enough": ENOUGH,
            "back": self._showable(earlier, None) is not None,
            "forward": place != open_place,
            "upcoming": None
            if upcoming is None
            else self.numbers[rater.question(upcoming).names[0]],
        }

    def _showable(self, places: range, otherwise: int | None) -> int | None:
        """Return the first place whose files are in the folder and can be played."""
        playable = set(self.rater.playable)
        for place in places:
            if playable.issuperset(self.rater.question(place).names):
                return place
        return otherwise


@contextlib.contextmanager
def opened(site: Site, port: int) -> Iterator[str]:
    """Serve a site while the `with` block runs; yield its address.

    Args:
      port: to listen at; 0 for a free one.

    Raises:
      OSError: the port cannot be used.
    """

    class SiteHandler(Handler):
        """The handler of this site."""

    SiteHandler.site = site
    with http.server.ThreadingHTTPServer((HOST, port), SiteHandler) as server:
        thread = threading.Thread(target=server.serve_forever, name="page", daemon=True)
        thread.start()
        try:
            yield f"http://{HOST}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers a request; `site` is set by `opened`."""

    site: Site
    # One request a connection, so that none is open when the server ends.
    protocol_version, server_version, sys_version = "HTTP/1.0", "cak", ""
    timeout = IDLE

    def do_GET(self) -> None:
        """Answer GET."""
        self._answer(self._get)

    def do_POST(self) -> None:
        """Answer POST."""
        self._answer(self._post)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""

    def _answer(self, route: Callable[[], tuple[str, bytes]]) -> None:
        """Send what a route returns, or the sentence of its refusal."""
        status = 200
        try:
            check_caller(self.command, self.headers.get, LOOPBACK)
            kind, body = route()
        except (RefusedError, TableError, OSError) as error:
            status, sentence = 500, str(error)
            if isinstance(error, RefusedError):
                status = error.status
            elif isinstance(error, TableError):
                status = 409
            elif isinstance(error, OSError):
                name = printable(os.path.basename(error.filename or "the table"))
                sentence = (
                    f"{name} cannot be written ({error.strerror}), and this answer is "
                    "not in it: mend that, and answer again"
                )
            kind, body = as_json({"detail": sentence})
        with contextlib.suppress(ConnectionError, TimeoutError):
            self.send_response(status)
            for name, text in security_headers(POLICY).items():
                self.send_header(name, text)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.send_header("cache-control", "no-store")
            self.end_headers()
            self.wfile.write(body)

    def _get(self) -> tuple[str, bytes]:
        path, _, query = self.path.partition("?")
        if path in FILES and not query:
            name, kind = FILES[path]
            return kind, (ASSETS / name).read_bytes()
        if path == "/state":
            return as_json(self.site.state(**_places(query)))
        if found := re.fullmatch(r"/sound/(\d{1,7})", path, re.ASCII):
            return "audio/wav", self.site.sound(int(found[1]))
        raise RefusedError(404, "there is nothing here")

    def _post(self) -> tuple[str, bytes]:
        if self.path not in ("/answer", "/skip"):
            raise RefusedError(404, "there is nothing here")
        message = self._message()
        return as_json(self.site.change(message, self.path == "/answer"))

    def _message(self) -> dict[str, Any]:
        """Return the JSON object of a request.

        Its type must be JSON, because browsers let a page of another origin send that
        type only where the server allows it.
        """
        if self.headers.get_content_type() != "application/json":
            raise RefusedError(415, "this is no message of the page")
        declared = self.headers.get("content-length", "")
        if not re.fullmatch(r"\d{1,9}", declared, re.ASCII):
            raise RefusedError(411, "the message has no length")
        if int(declared) > LARGEST_MESSAGE:
            raise RefusedError(413, "this is larger than allowed here")
        try:
            message = json.loads(self.rfile.read(int(declared)))
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            raise RefusedError(400, "this is no message of the page")
        return message


def as_json(document: Any) -> tuple[str, bytes]:
    """Return the type and the bytes of a JSON answer."""
    return "application/json", json.dumps(document).encode()


def _places(query: str) -> dict[str, int]:
    """Return the place that a query names: {"before": 3}, {"after": 3} or {}."""
    found = re.fullmatch(r"(before|after)=(\d{1,7})", query, re.ASCII)
    if query and not found:
        raise RefusedError(400, "there is no such question")
    return {found[1]: int(found[2])} if found else {}
