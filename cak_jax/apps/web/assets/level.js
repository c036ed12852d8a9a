// Peaks: `apps/live/limiter.py`.

// Samples of a block of the audio thread (Web Audio API).
const QUANTUM = 128;

const CEILING = 10 ** (-1 / 20);
const SEGMENT = 64;
const RECOVERY_DB = 30;

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
