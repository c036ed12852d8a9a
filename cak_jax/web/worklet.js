// The effect in the audio thread: `stream.py`, `player.py` and `ceiling.py`.

const CEILING = 10 ** (-1 / 20);
const SEGMENT = 64;
const RECOVERY_DB = 30;
const FADE_SECONDS = 0.02;
const REPORT_SECONDS = 0.1;
// 24 dB above full scale: no sound.
const LOUDEST_SAMPLE = 16;

// A gain that follows the ratio of two running levels; exactly 1 where equal.
class RunningMatch {
  constructor(seconds, rate) {
    this.length = seconds * rate;
    this.dry = this.wet = 0;
    this.gain = 1;
  }

  // Scale the wet planes in place; the gain moves in a line over the block.
  apply(dry, wet, count) {
    if (!this.length) return;
    const keep = Math.exp(-count / this.length);
    this.dry = keep * this.dry + energy(dry, count);
    this.wet = keep * this.wet + energy(wet, count);
    const before = this.gain;
    this.gain = boundedGain(Math.sqrt(this.dry), Math.sqrt(this.wet));
    if (before === 1 && this.gain === 1) return;
    const slope = (this.gain - before) / Math.max(1, count - 1);
    for (const plane of wet) {
      for (let t = 0; t < count; t++) plane[t] *= before + slope * t;
    }
  }
}

// Sound below -1 dBFS by a gain that never jumps, one segment later.
class Ceiling {
  constructor(channels, rate) {
    this.held = planes(channels, SEGMENT);
    this.gain = 1;
    this.recovery = 10 ** ((RECOVERY_DB * SEGMENT) / rate / 20);
    this.need = 1;
  }

  // Give the block in place; return the least gain.
  apply(block, count) {
    let lowest = this.gain;
    for (let start = 0; start < count; start += SEGMENT) {
      const need = CEILING / Math.max(CEILING, peak(block, start, SEGMENT));
      const goal = Math.min(this.need, need, this.gain * this.recovery);
      const slope = (goal - this.gain) / SEGMENT;
      for (let c = 0; c < block.length; c++) {
        for (let t = 0; t < SEGMENT; t++) {
          const given = this.held[c][t];
          this.held[c][t] = block[c][start + t];
          block[c][start + t] = given * (this.gain + slope * t);
        }
      }
      this.need = need;
      this.gain = goal;
      lowest = Math.min(lowest, goal);
    }
    return lowest;
  }
}

class Effect extends AudioWorkletProcessor {
  // `options`: `sound` (numbers and knobs), `channels`, `latency` in samples, `frames`
  // of the sound, `matchSeconds` (0 for none), `ceiling`.
  constructor({ processorOptions: options }) {
    super();
    this.channels = options.channels;
    this.latency = options.latency;
    this.core = new FrameCore(
      options.sound, options.channels, options.sound.size[0], options.frames);
    this.match = new RunningMatch(options.matchSeconds, sampleRate);
    this.ceiling = options.ceiling ? new Ceiling(options.channels, sampleRate) : null;
    // Places in the sound, modulo a length that holds all that is still inside.
    this.length = options.latency + options.sound.nFft + options.sound.hop + 256;
    this.dryRing = planes(options.channels, this.length);
    this.addedRing = planes(options.channels, this.length);
    this.time = 0;
    this.over = false;
    this.limited = this.peak = this.reported = 0;
    this.set(options.sound);
    this.mix = this.mixGoal;
    this.share = this.bypass;
    this.port.onmessage = ({ data }) => {
      if (data === "over") this.over = true;
      else this.set(data);
    };
  }

  set(sound) {
    this.core.set(sound);
    this.mixGoal = sound.mix;
    this.bypass = sound.bypass ? 1 : 0;
  }

  process(inputs, outputs) {
    if (this.over) return false;
    const output = outputs[0], count = output[0].length;
    this.hear(inputs[0], count);
    const dry = take(this.dryRing, this.time, count);
    const wet = this.blend(dry, take(this.addedRing, this.time, count));
    if (this.ceiling && this.ceiling.apply(wet, count) < 1) this.limited += 1;
    for (let c = 0; c < output.length; c++) {
      output[c].set(wet[Math.min(c, wet.length - 1)]);
    }
    this.time += count;
    this.report(wet, count);
    return true;
  }

  hear(input, count) {
    const block = planes(this.channels, count);
    for (let c = 0; c < this.channels; c++) {
      const source = input[c];
      if (!source) continue;
      for (let t = 0; t < count; t++) {
        // NaN, too, would stay for ever in what runs along.
        block[c][t] = Math.abs(source[t]) < LOUDEST_SAMPLE ? source[t] : 0;
      }
    }
    put(this.dryRing, this.time + this.latency, block, 0, count);
    this.core.push(block, count, (start, hop) => {
      const skipped = Math.max(0, -start);
      if (skipped >= this.core.hop) return;
      put(this.addedRing, start + skipped + this.latency, hop, skipped, this.core.hop);
    });
  }

  // Mix and bypass go from one setting to another in a line, the same in each channel.
  blend(dry, added) {
    const count = dry[0].length, step = 1 / (FADE_SECONDS * sampleRate);
    const mix = line(this.mix, this.mixGoal, step, count);
    const share = line(this.share, this.bypass, step, count);
    this.mix = mix[count - 1];
    this.share = share[count - 1];
    for (let c = 0; c < dry.length; c++) {
      for (let t = 0; t < count; t++) added[c][t] = dry[c][t] + added[c][t] * mix[t];
    }
    this.match.apply(dry, added, count);
    for (let c = 0; c < dry.length; c++) {
      for (let t = 0; t < count; t++) {
        added[c][t] = added[c][t] * (1 - share[t]) + dry[c][t] * share[t];
      }
    }
    return added;
  }

  report(block, count) {
    this.peak = Math.max(this.peak, peak(block, 0, count));
    if ((this.time - this.reported) / sampleRate < REPORT_SECONDS) return;
    const { peak: loudest, limited } = this;
    this.port.postMessage({ peak: loudest, limited, gain: this.match.gain });
    this.reported = this.time;
    this.peak = this.limited = 0;
  }
}

function put(ring, place, block, from, to) {
  const length = ring[0].length;
  for (let c = 0; c < ring.length; c++) {
    for (let t = from; t < to; t++) ring[c][(place + t - from) % length] = block[c][t];
  }
}

function take(ring, place, count) {
  return ring.map((plane) => {
    const found = new Float64Array(count);
    for (let t = 0; t < count; t++) {
      const index = (place + t) % plane.length;
      found[t] = plane[index];
      plane[index] = 0;
    }
    return found;
  });
}

function line(value, goal, step, count) {
  const found = new Float64Array(count);
  for (let t = 0; t < count; t++) {
    value = value < goal ? Math.min(goal, value + step) : Math.max(goal, value - step);
    found[t] = value;
  }
  return found;
}

function peak(block, start, count) {
  let found = 0;
  for (const plane of block) {
    for (let t = start; t < start + count; t++) {
      found = Math.max(found, Math.abs(plane[t]));
    }
  }
  return found;
}

registerProcessor("cak", Effect);
