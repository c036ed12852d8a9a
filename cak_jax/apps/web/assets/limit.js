// What an effect adds is never louder than the dry sound of the last 2 ms:
// `model/limit.py` in JavaScript, for channels that share a gain, hop by hop.

const SEGMENT = 16;
const HOLD_SECONDS = 0.002;
const LIMIT_FLOOR_DB = -60;
const SILENT = 1e-16;

// Returns the samples of a segment and the segments that a level is held.
function segmentsOf({ nFft, hop, sampleRate }) {
  let length = SEGMENT;
  while (hop % length || (nFft / 2) % length) length--;
  const hold = (HOLD_SECONDS * sampleRate) / length, below = Math.floor(hold);
  // Halves go to the even number, as in Python.
  const up = hold - below > 0.5 || (hold - below === 0.5 && below % 2 === 1);
  return { length, hold: Math.max(1, below + (up ? 1 : 0)) };
}

class Limit {
  // `lag` is the number of samples from a hop's first sample to the newest window's.
  constructor(settings, channels, lag) {
    const { length, hold } = segmentsOf(settings), { hop } = settings;
    const before = hold * length + 2 * length;
    Object.assign(this, { length, hold, hop, wait: length });
    this.floor = 10 ** (LIMIT_FLOOR_DB / 10);
    // The dry sound from the first sample that is read to the newest window's first.
    this.dry = planes(channels, before + lag);
    this.added = planes(channels, 2 * length + hop);
    this.held = planes(channels, hop);
    this.gains = new Float64Array(2 + hop / length);
    this.levels = new Float64Array(this.gains.length + hold);
  }

  // Takes the next hop of what is added; returns as many samples, `wait` samples late.
  step(added) {
    const { length, hop, gains, held } = this;
    this.added.forEach((plane, c) => {
      plane.copyWithin(0, hop);
      plane.set(added[c].subarray(0, hop), 2 * length);
    });
    this.measure();
    for (let i = 1; i + 1 < gains.length; i++) {
      const begin = Math.min(gains[i - 1], gains[i]);
      const end = Math.min(gains[i], gains[i + 1]);
      for (let t = 0; t < length; t++) {
        const gain = begin + ((end - begin) * t) / length;
        held.forEach((plane, c) => {
          plane[(i - 1) * length + t] = this.added[c][i * length + t] * gain;
        });
      }
    }
    return held;
  }

  measure() {
    const { length, hold, floor, gains, levels } = this;
    for (let i = 0; i < levels.length; i++) levels[i] = power(this.dry, i * length, length);
    for (let i = 0; i < gains.length; i++) {
      let most = 0;
      for (let j = 0; j <= hold; j++) most = Math.max(most, levels[i + j]);
      most *= most / Math.max(most + floor, SILENT);
      const loud = power(this.added, i * length, length);
      gains[i] = most <= SILENT ? 0 : loud > most ? Math.sqrt(most / loud) : 1;
    }
  }

  // Takes the hop of the dry sound with which the newest window begins.
  keep(samples) {
    this.dry.forEach((plane, c) => {
      plane.copyWithin(0, this.hop);
      plane.set(samples[c].subarray(0, this.hop), plane.length - this.hop);
    });
  }
}

// Returns the mean square of `count` samples of all planes.
function power(sound, start, count) {
  let sum = 0;
  for (const plane of sound) {
    for (let t = start; t < start + count; t++) sum += plane[t] ** 2;
  }
  return sum / (count * sound.length);
}
