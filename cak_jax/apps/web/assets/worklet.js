// The effect in the audio thread: `rendering/stream.py` and `apps/live/player.py`.

const FADE_SECONDS = 0.02;
const REPORT_SECONDS = 0.1;
// 24 dB above full scale: a larger sample is a fault and becomes 0.
const LOUDEST_SAMPLE = 16;

// Samples by their position in the sound. Reading sets them to 0.
class Ring {
  constructor(channels, least) {
    const length = 2 ** Math.ceil(Math.log2(least));
    this.mask = length - 1;
    this.planes = planes(channels, length);
  }

  put(place, block, from, to) {
    for (let c = 0; c < block.length; c++) {
      const plane = this.planes[c], source = block[c];
      let index = place;
      for (let t = from; t < to; t++) plane[index++ & this.mask] = source[t];
    }
  }

  take(place, into) {
    for (let c = 0; c < into.length; c++) {
      const plane = this.planes[c], target = into[c];
      for (let t = 0; t < target.length; t++) {
        const index = (place + t) & this.mask;
        target[t] = plane[index];
        plane[index] = 0;
      }
    }
  }
}

class Effect extends AudioWorkletProcessor {
  // `options`: `settings` (effect and knobs, as `App.settings` returns them),
  // `channels`, `latency` in samples, `frames` of the sound (Infinity for a sound
  // without an end), `matchSeconds` (0 for no match of loudness), `ceiling`.
  constructor({ processorOptions: options }) {
    super();
    const { settings, channels, latency } = options;
    this.core = new FrameCore(settings, channels, options.frames);
    this.match = new RunningMatch(options.matchSeconds, sampleRate, channels);
    this.ceiling = options.ceiling ? new Ceiling(channels, sampleRate) : null;
    this.latency = latency;
    const inside = latency + settings.nFft + settings.hop + QUANTUM;
    this.heard = new Ring(channels, inside);
    this.added = new Ring(channels, inside);
    this.block = planes(channels, QUANTUM);
    this.dry = planes(channels, QUANTUM);
    this.wet = planes(channels, QUANTUM);
    this.shares = new Float64Array(QUANTUM);
    this.time = this.reported = 0;
    this.limited = this.peak = 0;
    this.over = false;
    this.set(settings);
    this.share = this.shareGoal;
    this.port.onmessage = ({ data }) => {
      if (data === "over") this.over = true;
      else this.set(data);
    };
  }

  set(settings) {
    this.core.set(settings);
    this.shareGoal = settings.bypass ? 1 : 0;
  }

  // The first output is the wet sound, the second the dry sound with the same delay.
  process(inputs, [wet, dry]) {
    if (this.over) return false;
    this.hear(inputs[0]);
    this.heard.take(this.time, this.dry);
    this.added.take(this.time, this.wet);
    dry.forEach((plane, c) => plane.set(this.dry[c]));
    this.blend();
    if (this.ceiling && this.ceiling.apply(this.wet) < 1) this.limited += 1;
    wet.forEach((plane, c) => plane.set(this.wet[c]));
    this.time += QUANTUM;
    this.report();
    return true;
  }

  hear(input) {
    this.block.forEach((plane, c) => {
      const source = input[c];
      if (!source) return plane.fill(0);
      for (let t = 0; t < QUANTUM; t++) {
        // NaN becomes 0 too, because it would stay in the running sums.
        plane[t] = Math.abs(source[t]) < LOUDEST_SAMPLE ? source[t] : 0;
      }
    });
    this.heard.put(this.time + this.latency, this.block, 0, QUANTUM);
    this.core.push(this.block, QUANTUM, (start, sound) => {
      const from = Math.max(0, -start);
      this.added.put(start + from + this.latency, sound, from, this.core.hop);
    });
  }

  // The bypass changes linearly, equally in each channel.
  blend() {
    const { dry, wet, shares } = this;
    const step = 1 / (FADE_SECONDS * sampleRate);
    this.share = line(shares, this.share, this.shareGoal, step);
    for (let c = 0; c < dry.length; c++) {
      for (let t = 0; t < QUANTUM; t++) wet[c][t] += dry[c][t];
    }
    this.match.apply(dry, wet);
    for (let c = 0; c < dry.length; c++) {
      for (let t = 0; t < QUANTUM; t++) {
        wet[c][t] = wet[c][t] * (1 - shares[t]) + dry[c][t] * shares[t];
      }
    }
  }

  report() {
    this.peak = Math.max(this.peak, peak(this.wet, 0, QUANTUM));
    if (this.time - this.reported < REPORT_SECONDS * sampleRate) return;
    this.port.postMessage({ time: this.time, peak: this.peak, limited: this.limited });
    this.reported = this.time;
    this.peak = this.limited = 0;
  }
}

// Fills `values` with steps of at most `step` towards the goal; returns the last.
function line(values, value, goal, step) {
  for (let t = 0; t < values.length; t++) {
    value = value < goal ? Math.min(goal, value + step) : Math.max(goal, value - step);
    values[t] = value;
  }
  return value;
}

registerProcessor("cak", Effect);
