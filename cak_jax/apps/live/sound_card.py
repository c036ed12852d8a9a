"""Sound devices: found, described and opened; the only importer of sounddevice."""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

from cak_jax.audio.formats import AudioInfo
from cak_jax.runtime.errors import InputError
from cak_jax.runtime.text import printable

# Of a live input; more are seldom sound of one instrument.
MOST_INPUT_CHANNELS = 2
# PortAudio's own numbers of what a device refuses.
BAD_CHANNELS, BAD_RATE = -9998, -9997


class DeviceError(InputError):
    """Sound cannot be played or recorded; one line with what is missing."""


@dataclasses.dataclass(frozen=True)
class Route:
    """Where sound comes from and goes to.

    Attributes:
      output: the device's number.
      output_name: the device's name.
      sample_rate: Hz.
      channels: of the sound.
      output_channels: of the device; 2 for a mono sound where it has them.
      input: a device's number, None where the sound is a file.
    """

    output: int
    output_name: str
    sample_rate: int
    channels: int
    output_channels: int
    input: int | None = None


def load():
    """Return the module sounddevice.

    Raises:
      DeviceError: it is not installed, or PortAudio is not.
    """
    try:
        import sounddevice
    except ImportError:
        raise DeviceError(
            "live sound needs the package sounddevice: pip install sounddevice"
        ) from None
    except OSError:
        raise DeviceError(
            "live sound needs the library PortAudio: apt install libportaudio2 "
            "(Debian, Ubuntu), dnf install portaudio (Fedora)"
        ) from None
    # Its PortAudioError, which cannot be imported from where it comes.
    except Exception as error:
        raise DeviceError(
            f"PortAudio does not start ({_short(error)}); is the sound system's "
            "configuration whole?"
        ) from None
    return sounddevice


def devices(card) -> list[str]:
    """Return a line for each device, with what it can do.

    Args:
      card: the module sounddevice.

    Raises:
      DeviceError: there is none.
    """
    found = list(card.query_devices())
    if not found:
        raise DeviceError(
            "there is no sound device; connect one, or start a sound server"
        )
    defaults = _default_numbers(card)
    rows = ["number  in  out     Hz  name"]
    for number, device in enumerate(found):
        host = card.query_hostapis(device["hostapi"])["name"]
        marks = [f"default {kind}" for kind, own in defaults.items() if own == number]
        remark = f"  ({', '.join(marks)})" if marks else ""
        rows.append(
            f"{number:6d} {device['max_input_channels']:3d} "
            f"{device['max_output_channels']:4d} {device['default_samplerate']:6.0f}  "
            f"{printable(device['name'])}, {host}{remark}"
        )
    return rows


def route_file(card, header: AudioInfo, device: str | None) -> Route:
    """Return how a file is played, at its own rate.

    Args:
      card: the module sounddevice.
      header: of the file.
      device: a number, a part of a name, or None for the default.

    Raises:
      DeviceError: there is no such device, or it does not take this sound.
    """
    output = _find(card, "--device", device, "output")
    route = _to(output, header.sample_rate, header.channels)
    try:
        _check(card, "output", output, route.output_channels, route.sample_rate)
    except DeviceError as error:
        raise DeviceError(f"{error}, or convert the file") from None
    return route


def route_input(card, rate: int, device: str | None, input_device: str | None) -> Route:
    """Return how a live input is played.

    Args:
      card: the module sounddevice.
      rate: the effect's own, at which nothing is resampled and latency is least; the
        output's default where a device refuses it.
      device, input_device: as of `route_file`.

    Raises:
      DeviceError: there is no such device, or the two do not go together.
    """
    source = _find(card, "--input-device", input_device, "input")
    output = _find(card, "--device", device, "output")
    channels = min(
        MOST_INPUT_CHANNELS,
        source["max_input_channels"],
        output["max_output_channels"],
    )
    for wanted in (rate, round(output["default_samplerate"])):
        route = _to(output, wanted, channels)
        route = dataclasses.replace(route, input=source["index"])
        try:
            _check(card, "output", output, route.output_channels, wanted)
            _check(card, "input", source, channels, wanted)
        except DeviceError as error:
            refused = error
        else:
            return route
    raise refused


@contextlib.contextmanager
def opened(card, route: Route, player, block_size: int) -> Iterator[Any]:
    """Play while the `with` block runs, through `player.fill`.

    Args:
      card: the module sounddevice.
      route: from where to where.
      player: a `Player`.
      block_size: samples per channel that it takes and gives.

    Yields:
      The running stream, with `active` and `latency`.

    Raises:
      DeviceError: a device refuses.
    """

    stream, silent = None, 0

    def fill(out, status, heard=None):
        nonlocal silent
        if not player.over:
            missed = bool(status.output_underflow or status.input_overflow)
            player.fill(out, heard, missed)
            return
        # Some drivers throw away what they hold when told that it is over.
        out[:] = 0.0
        silent += block_size
        if silent >= latency(stream) * route.sample_rate:
            raise card.CallbackStop

    def give(out, frames, time, status):
        fill(out, status)

    def take_and_give(heard, out, frames, time, status):
        fill(out, status, heard)

    layout = {"samplerate": route.sample_rate, "blocksize": block_size}
    layout |= {"dtype": "float32"}
    try:
        if route.input is None:
            stream = card.OutputStream(
                device=route.output,
                channels=route.output_channels,
                callback=give,
                **layout,
            )
        else:
            stream = card.Stream(
                device=(route.input, route.output),
                channels=(route.channels, route.output_channels),
                callback=take_and_give,
                **layout,
            )
        stream.start()
        yield stream
    except card.PortAudioError as error:
        name = printable(route.output_name)
        raise DeviceError(f"{name}: cannot be used ({_short(error)})") from None
    finally:
        # What goes wrong with a device that is gone is of no interest any more.
        with contextlib.suppress(card.PortAudioError):
            if stream is not None:
                stream.close()


def latency(stream) -> float:
    """Return the seconds that the devices of a stream add themselves."""
    own = stream.latency
    return sum(own) if isinstance(own, tuple) else own


def _find(card, flag: str, given: str | None, kind: str) -> dict[str, Any]:
    asked = int(given) if given is not None and given.isdecimal() else given
    shown = f"{flag}={printable(given)}: " if given is not None else ""
    try:
        device = card.query_devices(asked, kind)
    except ValueError as error:  # none, or several, by that name
        several = str(error).startswith("Multiple")
        what = f"several {kind} devices fit" if several else f"no {kind} device fits"
        raise DeviceError(f"{shown}{what}; --list-devices shows all") from None
    except card.PortAudioError:
        if given is None:
            raise DeviceError(
                f"there is no {kind} device; connect one, start a sound server, or "
                f"choose with {flag} from --list-devices"
            ) from None
        raise DeviceError(
            f"{shown}there is no such device; --list-devices shows all"
        ) from None
    if not device[f"max_{kind}_channels"]:
        raise DeviceError(f"{shown}is no {kind} device; --list-devices shows all")
    return device


def _to(output: dict[str, Any], sample_rate: int, channels: int) -> Route:
    wide = channels == 1 and output["max_output_channels"] >= 2
    return Route(
        output["index"], output["name"], sample_rate, channels, 2 if wide else channels
    )


def _check(card, kind: str, device, channels: int, sample_rate: int) -> None:
    """Ask a device whether it takes this."""
    name, most = printable(device["name"]), device[f"max_{kind}_channels"]
    other = f"choose another {'--device' if kind == 'output' else '--input-device'}"
    if channels > most:
        raise DeviceError(f"{name}: has {most} channels, the sound {channels}: {other}")
    ask = getattr(card, f"check_{kind}_settings")
    try:
        ask(
            device=device["index"],
            channels=channels,
            dtype="float32",
            samplerate=sample_rate,
        )
    except card.PortAudioError as error:
        code = error.args[1] if len(error.args) > 1 else None
        what = {
            BAD_RATE: f"does not run at {sample_rate} Hz",
            BAD_CHANNELS: f"does not run with {channels} channels",
        }.get(code, f"cannot be used ({_short(error)})")
        raise DeviceError(f"{name}: {what}: {other}") from None


def _default_numbers(card) -> dict[str, int]:
    source, output = card.default.device
    return {"input": source, "output": output}


def _short(error: Exception) -> str:
    """Return PortAudio's own words in one line."""
    return " ".join(str(error.args[0] if error.args else error).split()).rstrip(".")
