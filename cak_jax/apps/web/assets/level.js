// Levels: `level.py`, the running match of `stream.py`, and `ceiling.py`.

// Samples that the audio thread hands on at once.
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

// The gain from the level `wet` to `dry`; exactly 1 where either is silent.
function boundedGain(dry, wet) {
  if (dry === 0 || wet === 0) return 1;
  return Math.min(LARGEST_GAIN, Math.max(SMALLEST_GAIN, dry / wet));
}

// A gain that follows the ratio of two running levels; exactly 1 where equal.
class RunningMatch {
  constructor(seconds, rate) {
    this.length = seconds * rate;
    this.dry = this.wet = 0;
    this.gain = 1;
  }

  // Scale the wet planes in place; the gain moves in a line over the block.
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

// Sound below -1 dBFS by a gain that never jumps, one segment later.
class Ceiling {
  constructor(channels, rate) {
    this.held = planes(channels, SEGMENT);
    this.gain = this.need = 1;
    this.recovery = 10 ** ((RECOVERY_DB * SEGMENT) / rate / 20);
  }

  // Hold the block in place; return the least gain.
  apply(block) {
    let lowest = this.gain;
    for (let start = 0; start < block[0].length; start += SEGMENT) {
      const need = CEILING / Math.max(CEILING, peak(block, start, start + SEGMENT));
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
