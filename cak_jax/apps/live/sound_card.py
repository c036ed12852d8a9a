"""Sound devices: find, describe and open them.

Functions take the module sounddevice, as `load` returns it, so that tests can put a
fake in its place (`tests/support/sound_devices.py`).
"""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cak_jax.audio.formats import AudioInfo
from cak_jax.runtime.errors import InputError
from cak_jax.runtime.text import align, printable

if TYPE_CHECKING:  # because the player loads JAX
    from cak_jax.apps.live.player import Player

# A live input has two channels at most, because more are seldom one instrument.
MOST_INPUT_CHANNELS = 2
Device = dict[str, Any]  # as sounddevice describes one
# PortAudio's error codes.
BAD_CHANNELS, BAD_RATE = -9998, -9997


class DeviceError(InputError):
    """Sound cannot be played or recorded; one line that names what is missing."""


@dataclasses.dataclass(frozen=True)
class Route:
    """Where sound comes from and goes to; devices have numbers."""

    output: int
    output_name: str
    sample_rate: int
    channels: int
    output_channels: int  # of the device; 2 for a mono sound where it has them
    input: int | None  # None where the sound is a file


def load() -> Any:
    """Return the module sounddevice.

    Raises:
      DeviceError: it is not installed, or PortAudio is not.
    """
    try:
        import sounddevice
    except ImportError:
        fault = "live sound needs the package sounddevice: pip install sounddevice"
    except OSError:
        fault = (
            "live sound needs the library PortAudio: apt install libportaudio2 "
            "(Debian, Ubuntu), dnf install portaudio (Fedora)"
        )
    # sounddevice.PortAudioError, which cannot be imported where this import fails.
    except Exception as error:
        fault = (
            f"PortAudio does not start ({_short(error)}); is the sound system's "
            "configuration whole?"
        )
    else:
        return sounddevice
    raise DeviceError(fault)


def devices(card: Any) -> list[str]:
    """Return a table of the devices: a heading and a line for each.

    Raises:
      DeviceError: there is none.
    """
    available = list(card.query_devices())
    if not available:
        raise DeviceError(
            "there is no sound device; connect one, or start a sound server"
        )
    default_input, default_output = card.default.device
    rows = [["number", "in", "out", "Hz", "name"]]
    for number, device in enumerate(available):
        host = card.query_hostapis(device["hostapi"])["name"]
        marks = ["default input"] * (number == default_input)
        marks += ["default output"] * (number == default_output)
        remark = f"  ({', '.join(marks)})" if marks else ""
        channels = device["max_input_channels"], device["max_output_channels"]
        rate, name = f"{device['default_samplerate']:.0f}", printable(device["name"])
        rows.append([*map(str, (number, *channels)), rate, f"{name}, {host}{remark}"])
    return align(rows, right=range(4))


def route_file(card: Any, header: AudioInfo, device: str | None) -> Route:
    """Return how a file is played, at its own rate.

    The device is a number, a part of a name, or None for the default one.

    Raises:
      DeviceError: there is no such device, or it does not take this sound.
    """
    output = _find(card, "--device", device, "output")
    try:
        return _make_route(card, output, header.sample_rate, header.channels)
    except DeviceError as error:
        raise DeviceError(f"{error}, or convert the file") from None


def route_input(
    card: Any, rate: int, device: str | None, input_device: str | None
) -> Route:
    """Return how a live input is played; devices are named as in `route_file`.

    The effect's rate is taken, because nothing is resampled then and latency is least;
    the output's default rate where a device refuses it.

    Raises:
      DeviceError: there is no such device, or the two do not go together.
    """
    source = _find(card, "--input-device", input_device, "input")
    output = _find(card, "--device", device, "output")
    most = source["max_input_channels"], output["max_output_channels"]
    channels = min(MOST_INPUT_CHANNELS, *most)
    for sample_rate in (rate, round(output["default_samplerate"])):
        try:
            return _make_route(card, output, sample_rate, channels, source)
        except DeviceError as error:
            refused = error
    raise refused


@contextlib.contextmanager
def opened(card: Any, route: Route, player: "Player", block_size: int) -> Iterator[Any]:
    """Play through `player.fill` while the `with` block runs.

    Yields:
      The running stream, with `active` and `latency`.

    Raises:
      DeviceError: a device refuses.
    """
    stream, silent = None, 0

    def fill(*arguments: Any) -> None:
        # PortAudio passes a recorded block first, where there is an input.
        *heard, out, _, _, status = arguments
        nonlocal silent
        if not player.over:
            missed = status.output_underflow or status.input_overflow
            player.fill(out, heard[0] if heard else None, bool(missed))
            return
        # Silence for as long as the device's latency, because some drivers drop their
        # buffers when the stream stops.
        out[:] = 0.0
        silent += block_size
        if silent >= latency(stream) * route.sample_rate:
            raise card.CallbackStop

    form: dict[str, Any] = {
        "samplerate": route.sample_rate,
        "blocksize": block_size,
        "dtype": "float32",
        "callback": fill,
    }
    device, channels = route.output, route.output_channels
    try:
        if route.input is None:
            stream = card.OutputStream(device=device, channels=channels, **form)
        else:
            both, widths = (route.input, device), (route.channels, channels)
            stream = card.Stream(device=both, channels=widths, **form)
        stream.start()
        yield stream
    except card.PortAudioError as error:
        name = printable(route.output_name)
        raise DeviceError(f"{name}: cannot be used ({_short(error)})") from None
    finally:
        # Closing may fail because the device is gone; playing is over anyway.
        with contextlib.suppress(card.PortAudioError):
            if stream is not None:
                stream.close()


def latency(stream: Any) -> float:
    """Return the seconds of latency that the devices of a stream add."""
    seconds = stream.latency
    return float(sum(seconds) if isinstance(seconds, tuple) else seconds)


def _find(card: Any, flag: str, named: str | None, kind: str) -> Device:
    """Return the device that a flag names, or the default one."""
    query = int(named) if named is not None and named.isdecimal() else named
    prefix = f"{flag}={printable(named)}: " if named is not None else ""
    try:
        device: Device = card.query_devices(query, kind)
    except ValueError as error:  # sounddevice: none, or several, by that name
        several = str(error).startswith("Multiple")
        fault = f"several {kind} devices fit" if several else f"no {kind} device fits"
    except card.PortAudioError:
        if named is None:
            raise DeviceError(
                f"there is no {kind} device; connect one, start a sound server, or "
                f"choose with {flag} from --list-devices"
            ) from None
        fault = "there is no such device"
    else:
        if device[f"max_{kind}_channels"]:
            return device
        fault = f"is no {kind} device"
    raise DeviceError(f"{prefix}{fault}; --list-devices shows all")


def _make_route(
    card: Any, output: Device, rate: int, channels: int, source: Device | None = None
) -> Route:
    """Return a route after asking its devices whether they take the sound."""
    wide = channels == 1 and output["max_output_channels"] >= 2
    output_channels = 2 if wide else channels
    _check(card, "output", output, output_channels, rate)
    if source is not None:
        _check(card, "input", source, channels, rate)
    number = None if source is None else source["index"]
    name = output["name"]
    return Route(output["index"], name, rate, channels, output_channels, number)


def _check(card: Any, kind: str, device: Device, channels: int, rate: int) -> None:
    """Ask a device whether it takes a sound of that form."""
    name, most = printable(device["name"]), device[f"max_{kind}_channels"]
    other = f"choose another {'--device' if kind == 'output' else '--input-device'}"
    if channels > most:
        raise DeviceError(f"{name}: has {most} channels, the sound {channels}: {other}")
    check_settings = getattr(card, f"check_{kind}_settings")
    try:
        check_settings(device["index"], channels, "float32", samplerate=rate)
    except card.PortAudioError as error:
        code = error.args[1] if len(error.args) > 1 else 0
        fault = {
            BAD_RATE: f"does not run at {rate} Hz",
            BAD_CHANNELS: f"does not run with {channels} channels",
        }.get(code, f"cannot be used ({_short(error)})")
        raise DeviceError(f"{name}: {fault}: {other}") from None


def _short(error: Exception) -> str:
    """Return PortAudio's message in one line."""
    return " ".join(str(error.args[0] if error.args else error).split()).rstrip(".")
