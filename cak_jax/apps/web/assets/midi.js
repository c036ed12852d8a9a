// A knob of a MIDI controller that turns the big knob (Web MIDI API).

const CONTROL_CHANGE = 0xb0;
// Numbers from here on are no knobs, but modes of the channel.
const FIRST_MODE = 120;

class MidiKnob {
  // Calls `turn` with 0 to 1, and `show` when `learning` or `knob` changed.
  constructor({ turn, show }) {
    Object.assign(this, { turn, show, learning: false, knob: "" });
  }

  // The next knob that is turned becomes the one. Returns what is to be said.
  async learn() {
    if (!navigator.requestMIDIAccess) {
      throw new Error(`MIDI cannot be used here: ${isSecureContext
        ? "this browser has none." : "the address must begin with https."}`);
    }
    try {
      this.access ??= await navigator.requestMIDIAccess();
    } catch (error) {
      throw new Error(["NotAllowedError", "SecurityError"].includes(error.name)
        ? "MIDI is not allowed: permit it for this page."
        : `MIDI cannot be used (${error.name}).`);
    }
    this.access.onstatechange = () => this.listen();
    this.listen();
    this.learning = true;
    this.show();
    return this.access.inputs.size ? "Turn a knob of the MIDI controller."
      : "Connect a MIDI controller, then turn a knob of it.";
  }

  listen() {
    for (const input of this.access.inputs.values()) {
      input.onmidimessage = ({ data }) => this.hear(data);
    }
  }

  hear([status, number, value]) {
    if ((status & 0xf0) !== CONTROL_CHANGE || number >= FIRST_MODE) return;
    const knob = `${number} on channel ${(status & 15) + 1}`;
    if (this.learning) {
      this.learning = false;
      this.knob = knob;
      this.show();
    }
    if (knob === this.knob) this.turn(value / 127);
  }
}
