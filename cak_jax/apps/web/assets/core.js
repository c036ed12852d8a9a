// The sound that an effect adds, one frame at a time: `rendering/residual.py` and
// `rendering/stream.py` in JavaScript and double precision, for one or two channels
// that share a gain map:
//
//   r = limit(istft((inv(n') - inv(n)) X / |X|)),   X / |X| := 1 where X = 0

const LOWEST_HERTZ = 50;
const HIGHEST_HERTZ = 16000;
const MIX_FLOOR_DB = -90;

class FrameCore {
  // `frames` is the number of frames of the sound; Infinity for a sound without an end.
  constructor(settings, channels, frames) {
    const { nFft, hop } = settings, look = apart(settings)[0];
    Object.assign(this, { nFft, hop, channels, look, frames });
    this.bins = nFft / 2 + 1;
    this.fourier = new Fourier(nFft);
    this.window = new Float64Array(nFft);
    for (let t = 0; t < nFft; t++) {
      // Rounded to float32, because the window of the package is.
      this.window[t] = Math.fround(0.5 - 0.5 * Math.cos((2 * Math.PI * t) / nFft));
    }
    this.samples = planes(channels, nFft);
    this.filled = nFft / 2;
    this.analysed = 0;
    this.tail = planes(channels, nFft);
    this.limit = new Limit(settings, channels, look * hop);
    this.real = new Float64Array(nFft);
    this.imaginary = new Float64Array(nFft);
    this.added = new Float64Array(this.bins);
    this.ring = Array.from({ length: 2 * look + 1 }, () => this.emptyFrame());
  }

  emptyFrame() {
    return {
      real: planes(this.channels, this.bins),
      imaginary: planes(this.channels, this.bins),
      magnitude: new Float64Array(this.bins),
      x: new Float64Array(this.bins),
      factor: 0,
      mix: 1,
      exists: false,
    };
  }

  // Takes settings for the next frames. Frames that were analysed keep their control and
  // their mix.
  set(settings) {
    this.constants = settings;
    this.factor = Math.fround(shareOf(settings) * settings.scale);
    this.mix = Math.fround(settings.mix);
    this.shift = apart(settings)[1];
    this.kernel = flipped(settings.kernel, settings.flip);
    this.weights = tiltWeights(settings, this.bins);
  }

  // Takes `count` samples. Calls `give(start, sound)` for each hop that is ready, with
  // the position of its first sample and planes that begin with it.
  push(block, count, give) {
    let read = 0;
    while (read < count) {
      const part = Math.min(count - read, this.nFft - this.filled);
      for (let c = 0; c < this.channels; c++) {
        const source = block[c];
        for (let t = 0; t < part; t++) {
          this.samples[c][this.filled + t] = source[read + t];
        }
      }
      read += part;
      this.filled += part;
      if (this.filled === this.nFft) this.step(give);
    }
  }

  step(give) {
    this.analyse(this.ring[this.analysed % this.ring.length]);
    // The dry sound up to this window, for the hop that is ready now.
    this.add(give);
    this.limit.keep(this.samples);
    for (const samples of this.samples) samples.copyWithin(0, this.hop);
    this.filled -= this.hop;
    this.analysed += 1;
  }

  add(give) {
    const changed = this.analysed - this.look;
    if (changed < 0) return;
    this.change(changed);
    const start = changed * this.hop - this.nFft / 2;
    this.scale(start);
    give(start - this.limit.wait, this.limit.step(this.tail));
    for (const tail of this.tail) {
      tail.copyWithin(0, this.hop);
      tail.fill(0, this.nFft - this.hop);
    }
  }

  // Two real channels are transformed as one complex sound.
  analyse(frame) {
    const { nFft, bins, window, real, imaginary, samples } = this;
    const second = samples[1];
    for (let t = 0; t < nFft; t++) {
      real[t] = samples[0][t] * window[t];
      imaginary[t] = second ? second[t] * window[t] : 0;
    }
    this.fourier.forward(real, imaginary);
    for (let k = 0; k < bins; k++) {
      const m = k ? nFft - k : 0;
      frame.real[0][k] = (real[k] + real[m]) / 2;
      frame.imaginary[0][k] = (imaginary[k] - imaginary[m]) / 2;
      if (!second) continue;
      frame.real[1][k] = (imaginary[k] + imaginary[m]) / 2;
      frame.imaginary[1][k] = (real[m] - real[k]) / 2;
    }
    frame.exists = this.analysed < this.frames;
    frame.factor = this.mix === 0 ? 0 : this.factor;
    frame.mix = this.mix;
    this.normalise(frame);
  }

  normalise(frame) {
    const { alpha, gamma, low, high } = this.constants;
    const span = high - low + 1e-8;
    for (let k = 0; k < this.bins; k++) {
      let sum = 0;
      for (let c = 0; c < this.channels; c++) {
        sum += Math.sqrt(frame.real[c][k] ** 2 + frame.imaginary[c][k] ** 2);
      }
      const magnitude = sum / this.channels;
      const unit = (Math.log1p(alpha * Math.sqrt(magnitude)) - low) / span;
      frame.magnitude[k] = magnitude;
      // Frames before and after the sound are 0 in the normalised domain.
      frame.x[k] = frame.exists ? Math.min(1, Math.max(0, unit)) ** gamma : 0;
    }
  }

  inverse(n) {
    const { alpha, gamma, low, high } = this.constants;
    const level = n ** (1 / gamma) * (high - low) + low;
    return (Math.max(0, Math.expm1(level)) / alpha) ** 2;
  }

  // Adds the change of frame number `index` to the tail.
  change(index) {
    const frame = this.ring[index % this.ring.length];
    // At 0 nothing is added, so that the output equals the input bit for bit.
    if (!frame.exists || frame.factor === 0) return;
    this.correlate(index);
    for (let k = 0; k < this.bins; k++) {
      const x = frame.x[k];
      const y = x + this.added[k] * frame.factor * this.weights[k];
      this.added[k] = this.inverse(Math.min(1, Math.max(0, y))) - this.inverse(x);
    }
    if (frame.mix < 1) this.mixed(frame);
    this.synthesise(frame);
  }

  // Multiplies each bin's change in dB by the mix, as `residual.mixed` does.
  mixed({ magnitude, mix }) {
    const floor = (this.nFft / 4) * 10 ** (MIX_FLOOR_DB / 20);
    for (let k = 0; k < this.bins; k++) {
      const before = Math.max(magnitude[k], floor);
      const after = Math.max(magnitude[k] + this.added[k], floor);
      this.added[k] = before * Math.expm1(mix * Math.log(after / before));
    }
  }

  // D(x)[f, t] = bias + sum k[i, j] x[f + v (i - 1), t + h (j - 1)], zeros outside.
  correlate(index) {
    const { bins, ring, added, kernel, look, shift: v } = this;
    added.fill(this.constants.bias);
    for (let j = 0; j < 3; j++) {
      const place = index + look * (j - 1);
      if (place < 0) continue;
      const x = ring[place % ring.length].x;
      for (let i = 0; i < 3; i++) {
        const weight = kernel[3 * i + j], shift = v * (i - 1);
        const last = Math.min(bins, bins - shift);
        for (let k = Math.max(0, -shift); k < last; k++) {
          added[k] += weight * x[k + shift];
        }
      }
    }
  }

  synthesise(frame) {
    const { nFft, bins, real, imaginary, added, window } = this;
    for (let k = 0; k < bins; k++) {
      const silent = frame.magnitude[k] === 0;
      const gain = silent ? 0 : added[k] / frame.magnitude[k];
      const edge = k === 0 || k === bins - 1;
      const a = silent ? added[k] : frame.real[0][k] * gain;
      const b = edge ? 0 : frame.imaginary[0][k] * gain;
      let c = 0, d = 0;
      if (this.channels === 2) {
        c = silent ? added[k] : frame.real[1][k] * gain;
        d = edge ? 0 : frame.imaginary[1][k] * gain;
      }
      real[k] = a - d;
      imaginary[k] = b + c;
      if (edge) continue;
      real[nFft - k] = a + d;
      imaginary[nFft - k] = c - b;
    }
    this.fourier.backward(real, imaginary);
    for (let t = 0; t < nFft; t++) {
      this.tail[0][t] += (real[t] * window[t]) / nFft;
      if (this.channels === 2) this.tail[1][t] += (imaginary[t] * window[t]) / nFft;
    }
  }

  // Divides the first hop of the tail by the sum of the squared windows that reach into
  // it. Fewer windows do so at the beginning and the end of the sound.
  scale(start) {
    const { nFft, hop, frames, window } = this;
    const half = nFft / 2;
    const newest = (start + half) / hop;
    for (let t = 0; t < hop; t++) {
      let power = 0;
      for (let lap = 0; lap * hop + t < nFft; lap++) {
        const exists = newest - lap >= 0 && newest - lap < frames;
        if (exists) power += window[lap * hop + t] ** 2;
      }
      const beyond = start + t >= frames * hop;
      // Where no window reaches, the tail is 0.
      if (power > 1.1754943508222875e-38) {
        for (const tail of this.tail) tail[t] = beyond ? 0 : tail[t] / power;
      }
    }
  }
}

// Returns the share of the pattern at the amount, as `gate.share` does.
function shareOf({ amount, knob }) {
  if (!knob) return amount;
  const place = amount * 8, i = Math.min(7, Math.floor(place));
  return knob[i] + (place - i) * (knob[i + 1] - knob[i]);
}

// Returns the factor on the amount for each bin, as `residual.tilt_weights` does.
function tiltWeights({ sampleRate, nFft, tilt }, bins) {
  return Float64Array.from({ length: bins }, (_, k) => {
    const hertz = Math.max((k * sampleRate) / nFft, LOWEST_HERTZ);
    const octaves = Math.log2(HIGHEST_HERTZ / LOWEST_HERTZ);
    const place = Math.min(1, Math.log2(hertz / LOWEST_HERTZ) / octaves);
    return tilt >= 0 ? 1 - tilt * (1 - place) : 1 + tilt * place;
  });
}
