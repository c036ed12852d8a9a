// The loudness of ITU-R BS.1770: `rendering/k_weighting.py` and
// `rendering/loudness.py`.

const SUBBLOCK_SECONDS = 0.1;
const BLOCK_SUBBLOCKS = 4;
const ABSOLUTE_GATE = 10 ** ((-70 + 0.691) / 10);
const RELATIVE_GATE = 10 ** (-10 / 10);
const LARGEST_GAIN = 10;
const SMALLEST_GAIN = 1e-3;
// The filters of pyloudnorm: a shelf and a high pass.
const SHELF = { hertz: 1500, quality: Math.SQRT1_2, decibels: 4 };
const HIGH_PASS = { hertz: 38, quality: 0.5 };

// Returns `[b0, b1, b2, a1, a2]` of both filters (R. Bristow-Johnson's formulas).
function kSections(rate) {
  const angle = (hertz) => (2 * Math.PI * hertz) / rate;
  const normal = (b, a) => [...b.map((v) => v / a[0]), a[1] / a[0], a[2] / a[0]];
  const c = Math.cos(angle(SHELF.hertz));
  const height = 10 ** (SHELF.decibels / 40);
  const slope = (Math.sqrt(height) * Math.sin(angle(SHELF.hertz))) / SHELF.quality;
  const sum = height + 1, rest = height - 1;
  const shelf = normal(
    [height * (sum + rest * c + slope), -2 * height * (rest + sum * c),
     height * (sum + rest * c - slope)],
    [sum - rest * c + slope, 2 * (rest - sum * c), sum - rest * c - slope]);
  const d = Math.cos(angle(HIGH_PASS.hertz));
  const width = Math.sin(angle(HIGH_PASS.hertz)) / (2 * HIGH_PASS.quality);
  const pass = normal(
    [(1 + d) / 2, -(1 + d), (1 + d) / 2], [1 + width, -2 * d, 1 - width]);
  return rate < 4000 ? [pass] : [shelf, pass];
}

// Weighs the planes of a sound, which come block by block.
class Weighting {
  constructor(rate, channels) {
    this.sections = kSections(rate);
    this.memory = planes(channels, 2 * this.sections.length);
    this.scratch = new Float64Array(0);
  }

  // Returns the energy of samples `start` to `stop` of the planes, weighted.
  energy(block, start, stop) {
    const count = stop - start;
    if (this.scratch.length < count) this.scratch = new Float64Array(count);
    const { scratch } = this;
    let sum = 0;
    for (let c = 0; c < block.length; c++) {
      const source = block[c];
      for (let t = 0; t < count; t++) scratch[t] = source[start + t];
      this.sections.forEach((section, s) => this.filter(section, c, 2 * s, count));
      for (let t = 0; t < count; t++) sum += scratch[t] * scratch[t];
    }
    return sum;
  }

  filter([b0, b1, b2, a1, a2], channel, place, count) {
    const { scratch } = this, memory = this.memory[channel];
    let first = memory[place], second = memory[place + 1];
    for (let t = 0; t < count; t++) {
      const x = scratch[t], y = b0 * x + first;
      first = b1 * x - a1 * y + second;
      second = b2 * x - a2 * y;
      scratch[t] = y;
    }
    memory[place] = first;
    memory[place + 1] = second;
  }
}

// Returns the mean weighted powers of a whole sound: through both gates, and without.
function weightedPowers(sound, rate) {
  const weighting = new Weighting(rate, sound.length);
  const length = SUBBLOCK_SECONDS * rate, count = sound[0].length;
  const energies = [];
  let total = 0, start = 0;
  for (let stop = roundEven(length); stop <= count;) {
    energies.push(weighting.energy(sound, start, stop));
    total += energies[energies.length - 1];
    start = stop;
    stop = roundEven((energies.length + 1) * length);
  }
  total += weighting.energy(sound, start, count);
  const blocks = [];
  for (let i = 0; i + BLOCK_SUBBLOCKS <= energies.length; i++) {
    let sum = 0;
    for (let k = 0; k < BLOCK_SUBBLOCKS; k++) sum += energies[i + k];
    blocks.push(sum / (BLOCK_SUBBLOCKS * length));
  }
  const meanAbove = (gate) => {
    const above = blocks.filter((power) => power > gate);
    return above.reduce((sum, power) => sum + power, 0) / Math.max(1, above.length);
  };
  const relative = meanAbove(ABSOLUTE_GATE) * RELATIVE_GATE;
  const gated = meanAbove(Math.max(ABSOLUTE_GATE, relative));
  return { gated, plain: total / Math.max(1, count) };
}

// Rounds halves to the even number, as Python does.
function roundEven(value) {
  const whole = Math.round(value);
  return whole - value === 0.5 && whole % 2 ? whole - 1 : whole;
}

// Returns the gain that gives the wet sound the dry one's loudness.
function matchingGain(dry, wet, rate) {
  const [before, after] = [dry, wet].map((sound) => weightedPowers(sound, rate));
  const heard = before.gated > 0 && after.gated > 0 ? "gated" : "plain";
  return boundedGain(Math.sqrt(before[heard]), Math.sqrt(after[heard]));
}

// Returns the gain from the level `wet` to `dry`; exactly 1 where either is silent.
function boundedGain(dry, wet) {
  if (dry === 0 || wet === 0) return 1;
  return Math.min(LARGEST_GAIN, Math.max(SMALLEST_GAIN, dry / wet));
}

// A gain that follows the ratio of two running levels; exactly 1 for equal levels.
class RunningMatch {
  constructor(seconds, rate, channels) {
    this.length = seconds * rate;
    this.weightings = [0, 1].map(() => new Weighting(rate, channels));
    this.dry = this.wet = 0;
    this.gain = 1;
  }

  // Scales the wet planes in place. The gain changes linearly over the block.
  apply(dry, wet) {
    if (!this.length) return;
    const count = wet[0].length, [before, after] = this.weightings;
    const keep = Math.exp(-count / this.length);
    this.dry = keep * this.dry + before.energy(dry, 0, count);
    this.wet = keep * this.wet + after.energy(wet, 0, count);
    const last = this.gain;
    this.gain = boundedGain(Math.sqrt(this.dry), Math.sqrt(this.wet));
    if (last === 1 && this.gain === 1) return;
    const slope = (this.gain - last) / (count - 1);
    for (const plane of wet) {
      for (let t = 0; t < count; t++) plane[t] *= last + slope * t;
    }
  }
}
