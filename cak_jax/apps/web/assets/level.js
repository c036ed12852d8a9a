// Levels: `rendering/loudness.py`, the running match of `rendering/stream.py`, and
// `apps/live/limiter.py`.

// Samples of a block of the audio thread (Web Audio API).
const QUANTUM = 128;

const LARGEST_GAIN = 10;
const SMALLEST_GAIN = 1e-3;
const CEILING = 10 ** (-1 / 20);
const SEGMENT = 64;
const RECOVERY_DB = 30;

function planes(channels, length) {
  return Array.from({ length: channels }, () => new Float64Array(length));
}

function energy(block) {
  let sum = 0;
  for (const plane of block) {
    for (let t = 0; t < plane.length; t++) sum += plane[t] * plane[t];
  }
  return sum;
}

function peak(block, start, stop) {
  let found = 0;
  for (const plane of block) {
    for (let t = start; t < stop; t++) found = Math.max(found, Math.abs(plane[t]));
  }
  return found;
}

// Returns the gain from the level `wet` to `dry`; exactly 1 where either is silent.
function boundedGain(dry, wet) {
  if (dry === 0 || wet === 0) return 1;
  return Math.min(LARGEST_GAIN, Math.max(SMALLEST_GAIN, dry / wet));
}

// A gain that follows the ratio of two running levels; exactly 1 for equal levels.
class RunningMatch {
  constructor(seconds, rate) {
    this.length = seconds * rate;
    this.dry = this.wet = 0;
    this.gain = 1;
  }

  // Scales the wet planes in place. The gain changes linearly over the block.
  apply(dry, wet) {
    if (!this.length) return;
    const count = wet[0].length;
    const keep = Math.exp(-count / this.length);
    this.dry = keep * this.dry + energy(dry);
    this.wet = keep * this.wet + energy(wet);
    const before = this.gain;
    this.gain = boundedGain(Math.sqrt(this.dry), Math.sqrt(this.wet));
    if (before === 1 && this.gain === 1) return;
    const slope = (this.gain - before) / (count - 1);
    for (const plane of wet) {
      for (let t = 0; t < count; t++) plane[t] *= before + slope * t;
    }
  }
}

// Keeps a sound below -1 dBFS with a gain that never jumps. Delays by one segment.
class Limiter {
  constructor(channels, rate) {
    this.held = planes(channels, SEGMENT);
    this.gain = this.need = 1;
    this.recovery = 10 ** ((RECOVERY_DB * SEGMENT) / rate / 20);
  }

  // Limits the block in place; returns the least gain.
  apply(block) {
    let lowest = this.gain;
    for (let start = 0; start < block[0].length; start += SEGMENT) {
      const need = CEILING / Math.max(CEILING, peak(block, start, start + SEGMENT));
      const goal = Math.min(this.need, need, this.gain * this.recovery);
      const slope = (goal - this.gain) / SEGMENT;
      for (let c = 0; c < block.length; c++) {
        for (let t = 0; t < SEGMENT; t++) {
          const delayed = this.held[c][t];
          this.held[c][t] = block[c][start + t];
          block[c][start + t] = delayed * (this.gain + slope * t);
        }
      }
      this.need = need;
      this.gain = goal;
      lowest = Math.min(lowest, goal);
    }
    return lowest;
  }
}
