"""A fake module `sounddevice` that calls back block by block; no tests here."""

import types

import numpy as np

BURST = 40


class PortAudioError(Exception):
    """Like the error of sounddevice: a message and a code."""


class CallbackStop(Exception):
    """Like the exception of sounddevice."""


def device(name, inputs=2, outputs=2, rate=8000.0, **more):
    channels = {"max_input_channels": inputs, "max_output_channels": outputs}
    return {"name": name, "hostapi": 0, "default_samplerate": rate} | channels | more


class Card(types.ModuleType):
    """The fake module.

    Attributes:
      heard: the sound of a live input, `[channels, n]`.
      played: the blocks that were played, `[n, channels]` each.
      streams: the arguments of each opened stream.
      during: called with the number of each block before its callback.
      missed: numbers of blocks before which the device lost sound.
      stops_after: number of blocks after which the device stops.
      stalls: whether the device calls no callback.
      breaks: whether the question for its state fails.
    """

    PortAudioError, CallbackStop = PortAudioError, CallbackStop

    def __init__(self, *devices, rates=(8000, 12000, 44100), seconds=0.02):
        super().__init__("sounddevice")
        self.all = [d | {"index": i} for i, d in enumerate(devices)]
        self.rates, self.seconds = rates, seconds
        self.default = types.SimpleNamespace(device=(0, 0) if devices else (-1, -1))
        self.heard = np.zeros((2, 0), np.float32)
        self.played, self.streams, self.missed = [], [], set()
        self.during, self.stops_after = lambda number: None, None
        self.stalls = self.breaks = False

    def query_devices(self, query=None, kind=None):
        if query is None and kind is None:
            return self.all
        if isinstance(query, str):
            fit = [d for d in self.all
                   if query in d["name"] and d[f"max_{kind}_channels"]]  # fmt: skip
            if not fit:
                raise ValueError(f"No {kind} device matching {query!r}")
            if len(fit) > 1:
                raise ValueError(f"Multiple {kind} devices found for {query!r}:\n[0] x")
            return fit[0]
        number = (0 if self.all else -1) if query is None else query
        if not 0 <= number < len(self.all):
            raise PortAudioError(f"Error querying device {number}")
        return self.all[number]

    def query_hostapis(self, number):
        return {"name": "Fake"}

    def check_output_settings(self, device, channels, dtype, samplerate):
        if samplerate not in self.all[device].get("rates", self.rates):
            raise PortAudioError("Invalid sample rate", -9997)
        if channels in self.all[device].get("refuses", ()):
            raise PortAudioError("Invalid number of channels", -9998)

    check_input_settings = check_output_settings

    def OutputStream(self, **arguments):
        return FakeStream(self, arguments)

    def Stream(self, **arguments):
        return FakeStream(self, arguments)


class FakeStream:
    """Plays a burst of blocks whenever its `active` is read."""

    def __init__(self, card, arguments):
        if card.all[0].get("busy"):
            raise PortAudioError("Device unavailable [PaErrorCode -9985]")
        self._card, self._arguments = card, arguments
        card.streams.append(arguments)
        self._duplex = isinstance(arguments["device"], tuple)
        self.latency = (card.seconds,) * 2 if self._duplex else card.seconds
        self._active = self.closed = False

    def start(self):
        self._active = True

    def close(self):
        self._active, self.closed = False, True

    @property
    def active(self):
        if self._card.breaks:
            raise PortAudioError("Internal PortAudio error [PaErrorCode -9986]")
        for _ in range(0 if self._card.stalls else BURST):
            if self._active:
                self._call_back()
        return self._active

    def _call_back(self):
        card, size = self._card, self._arguments["blocksize"]
        number = len(card.played)
        if number == card.stops_after:
            self._active = False
            return
        card.during(number)
        missed = number in card.missed
        status = types.SimpleNamespace(output_underflow=missed, input_overflow=missed)
        channels = self._arguments["channels"]
        out = np.full((size, channels[1] if self._duplex else channels), np.nan,
                      np.float32)  # fmt: skip
        arguments = (out, size, None, status)
        if self._duplex:
            part = card.heard[: channels[0], number * size : (number + 1) * size]
            heard = np.pad(part, ((0, 0), (0, size - part.shape[1])))
            arguments = (np.ascontiguousarray(heard.T), *arguments)
        try:
            self._arguments["callback"](*arguments)
        except CallbackStop:
            self._active = False
        card.played.append(out)

    def __repr__(self):
        return f"FakeStream({self._arguments})"
