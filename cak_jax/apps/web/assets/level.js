// Peaks: `rendering/ceiling.py`.

// Samples of a block of the audio thread (Web Audio API).
const QUANTUM = 128;

const CEILING = 10 ** (-1 / 20);
const RECOVERY_SECONDS = 0.1;
// Samples before and after a segment that its true peak depends on.
const BEFORE = 8;
const AFTER = 8;

function planes(channels, length) {
  return Array.from({ length: channels }, () => new Float64Array(length));
}

function peak(block, start, stop) {
  let found = 0;
  for (const plane of block) {
    for (let t = start; t < stop; t++) found = Math.max(found, Math.abs(plane[t]));
  }
  return found;
}

// Returns the taps for the values a quarter, a half and three quarters after a sample.
const TAPS = [0.25, 0.5, 0.75].map((phase) => {
  const taps = Float64Array.from({ length: 2 * AFTER }, (_, k) => {
    const time = k + 1 - AFTER - phase, angle = Math.PI * time;
    return (Math.sin(angle) / angle) * Math.cos(angle / (2 * AFTER));
  });
  const sum = taps.reduce((total, tap) => total + tap, 0);
  return taps.map((tap) => tap / sum);
});
// More than any true peak is, divided by the largest sample around it.
const MOST_BETWEEN = 2.5;

// Returns the true peak of the samples from `start` to `stop`.
function truePeak(plane, start, stop) {
  let found = 0, before = 0, middle = 0;
  const take = (after) => {
    const sign = Math.sign(middle);
    const left = sign * (middle - before), right = sign * (middle - after);
    // The largest of three values lies below the top of the parabola through them.
    const more = left > 0 && right > 0 ? (left - right) ** 2 / (8 * (left + right)) : 0;
    found = Math.max(found, Math.abs(middle) + more);
    before = middle;
    middle = after;
  };
  for (let t = start - 1; t < stop; t++) {
    take(plane[t]);
    // Of the sample before the segment, and of what comes before it, nothing counts.
    if (t === start) found = 0;
    for (const taps of TAPS) {
      let value = 0;
      for (let k = 0; k < taps.length; k++) value += taps[k] * plane[t + 1 - AFTER + k];
      take(value);
    }
  }
  take(plane[stop]);
  return found;
}

// Keeps the true peak below -1 dBFS with a gain that never jumps, is exactly 1 where
// nothing reaches the ceiling, and is back within 100 ms.
class Ceiling {
  constructor(channels, rate) {
    this.length = Math.max(16, 64 * 2 ** Math.round(Math.log2(rate / 48000)));
    this.delay = this.length + AFTER;
    this.recovery = Math.ceil((RECOVERY_SECONDS * rate) / this.length);
    // In log of the gain, the latest last.
    this.needs = new Float64Array(this.recovery + 1);
    // The segment whose end is not known yet, and what follows.
    this.recent = planes(channels, 2 * this.length + AFTER);
    this.isDry = new Uint8Array(2 * this.length + AFTER).fill(1);
    this.gain = 1;
  }

  // Takes a block of whole segments, and gives the sound `delay` samples earlier in its
  // place. Samples that equal those of `dry` need nothing. Returns the least gain.
  apply(block, dry = null) {
    let lowest = this.gain;
    for (let start = 0; start < block[0].length; start += this.length) {
      this.take(block, dry, start);
      this.needs.copyWithin(0, 1);
      this.needs[this.recovery] = this.need();
      const goal = Math.exp(Math.min(this.held(), this.needs[this.recovery]));
      const slope = (goal - this.gain) / this.length;
      for (let c = 0; c < block.length; c++) {
        for (let t = 0; t < this.length; t++) {
          block[c][start + t] = this.recent[c][t] * (this.gain + slope * t);
        }
      }
      this.gain = goal;
      lowest = Math.min(lowest, goal);
    }
    return lowest;
  }

  take(block, dry, start) {
    const { length, recent, isDry } = this, kept = length + AFTER;
    isDry.copyWithin(0, length);
    isDry.fill(dry ? 1 : 0, kept);
    for (let c = 0; c < block.length; c++) {
      recent[c].copyWithin(0, length);
      for (let t = 0; t < length; t++) {
        recent[c][kept + t] = block[c][start + t];
        if (dry && dry[c][start + t] !== block[c][start + t]) isDry[kept + t] = 0;
      }
    }
  }

  // Returns what the newest whole segment needs.
  need() {
    const { length, recent, isDry } = this;
    let own = true;
    for (let t = length; t < 2 * length; t++) own &&= isDry[t] === 1;
    if (own) return 0;
    const loudest = peak(recent, length - BEFORE, 2 * length + AFTER);
    if (loudest * MOST_BETWEEN <= CEILING) return 0;
    const found = recent.map((plane) => truePeak(plane, length, 2 * length));
    return Math.log(CEILING / Math.max(CEILING, ...found));
  }

  // Returns what the segment before needs, or ones before that still do.
  held() {
    let least = 0;
    for (let age = 1; age <= this.recovery; age++) {
      const share = 1 - (age - 1) / this.recovery;
      least = Math.min(least, share * this.needs[this.recovery - age]);
    }
    return least;
  }
}

// Keeps a whole sound below the ceiling, in place. Samples that equal those of `dry` need
// nothing. Returns the least gain.
function underCeiling(sound, dry, rate) {
  const ceiling = new Ceiling(sound.length, rate), { length, delay } = ceiling;
  const count = sound[0].length;
  const block = planes(sound.length, length), plain = dry && planes(dry.length, length);
  let lowest = 1;
  for (let start = 0; start < count + delay; start += length) {
    for (let t = 0; t < length; t++) {
      for (let c = 0; c < sound.length; c++) {
        block[c][t] = start + t < count ? sound[c][start + t] : 0;
        if (dry) plain[c][t] = start + t < count ? dry[c][start + t] : 0;
      }
    }
    lowest = Math.min(lowest, ceiling.apply(block, plain));
    for (let t = 0; t < length; t++) {
      const place = start + t - delay;
      if (place < 0 || place >= count) continue;
      for (let c = 0; c < sound.length; c++) sound[c][place] = block[c][t];
    }
  }
  return lowest;
}
