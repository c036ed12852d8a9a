"""Hear an effect while it plays (`cak live`).

- `sound_card`: finds, describes and opens sound devices. Nothing else imports
  sounddevice.
- `block_reader`: decodes a sound file ahead of the device, in a thread of its own.
- `player`: what the device calls. It renders one block, keeps it below -1 dBFS
  (`rendering.ceiling`) and never waits.
- `session`: keys of the terminal, the knob they turn, and the status line.

The device's thread runs `player` only. It must not wait for a lock, a file or the
terminal (`tests/test_imports.py` keeps it free of files and streams).
`tests/apps/live` compares them with whole-file rendering; `tests/commands/test_live.py`
plays through a fake device. The effect itself is `rendering.stream`.
"""
