// Whether a kernel that was edited ends in silence, in noise or in nothing; and kernels by
// chance that do not.

const JUDGED_SECONDS = 1.5;
const SILENCE_DB = -14;
const UNCHANGED_DB = -50;
// Of the spectrum: white noise has 0.56, a chord or a voice less than 0.05.
const NOISE_FLATNESS = 0.25;
const NOISE_RISE = 3;
const FLATNESS_POINTS = 2048;
const FLATNESS_HERTZ = [100, 12000];
const SURPRISE_TRIALS = 12;
const SURPRISING_SIZES = [[1, 1], [1, 1], [2, 1], [1, 2], [4, 1], [3, 3]];

// Returns a sentence about the sound that comes of the settings; "" for none.
async function judge(sound, settings) {
  const dry = loudestPart(sound, JUDGED_SECONDS * settings.sampleRate);
  if (!powerOf(dry)) return "";
  const late = latencyOf(settings);
  const wet = (await renderOffline(dry, settings)).map((plane) => plane.subarray(late));
  const added = wet.map((plane, c) => plane.map((value, t) => value - dry[c][t]));
  const [change, rest] = [added, wet].map((part) => {
    return 10 * Math.log10(powerOf(part) / powerOf(dry));
  });
  if (rest < SILENCE_DB) {
    const lost = Number.isFinite(rest) ? `${Math.round(-rest)} dB` : "all of it";
    return `Most of the sound is taken away (${lost}): raise the cells or the bias.`;
  }
  if (!settings.amount || !settings.mix) return "";
  if (change < UNCHANGED_DB) {
    return "This kernel changes nothing that can be heard: raise a cell or the scale.";
  }
  const [before, after] = [dry, wet].map((part) => flatness(part, settings.sampleRate));
  if (after > NOISE_FLATNESS && after > NOISE_RISE * before) {
    return "The sound ends in noise: lower the bias or the cells, or the amount.";
  }
  return "";
}

function loudestPart(sound, wanted) {
  const length = Math.min(sound[0].length, Math.round(wanted));
  const part = (from) => sound.map((plane) => plane.slice(from, from + length));
  let best = 0, most = -1;
  for (let from = 0; from + length <= sound[0].length; from += length) {
    const found = powerOf(sound, from, from + length);
    if (found > most) [best, most] = [from, found];
  }
  return part(best);
}

function powerOf(sound, from = 0, to = sound[0].length) {
  let sum = 0;
  for (const plane of sound) {
    for (let t = from; t < to; t++) sum += plane[t] * plane[t];
  }
  return sum / Math.max(1, to - from);
}

// Returns the geometric mean of the power spectrum over its arithmetic mean, averaged
// over the frames by their power.
function flatness(sound, rate) {
  const size = FLATNESS_POINTS, fourier = new Fourier(size);
  const [low, high] = FLATNESS_HERTZ.map((hertz) => {
    return Math.round((Math.min(hertz, 0.45 * rate) * size) / rate);
  });
  let weighted = 0, total = 0;
  for (let from = 0; from + size <= sound[0].length; from += size) {
    const real = Float64Array.from({ length: size }, (_, t) => {
      return sound[0][from + t] * Math.sin((Math.PI * t) / size) ** 2;
    });
    const imaginary = new Float64Array(size);
    fourier.forward(real, imaginary);
    let sum = 0, logs = 0;
    for (let k = low; k < high; k++) {
      const power = real[k] ** 2 + imaginary[k] ** 2;
      sum += power;
      logs += Math.log(power + 1e-20);
    }
    const count = high - low;
    weighted += Math.exp(logs / count) * count;
    total += sum;
  }
  return total ? weighted / total : 0;
}

// Returns an effect with another kernel and bias, and other knobs: two kernels of those
// that are given, mixed and mirrored by chance, with as much in all as the effect has.
function surprise({ effect, knobs, kernels }, random = Math.random) {
  const pick = (list) => list[Math.floor(random() * list.length)];
  const around = () => random() + random() + random() - 1.5;
  const flips = [pick(FLIPS), pick(FLIPS)];
  const parts = flips.map((flip) => unitKernel(flipped(pick(kernels), flip)));
  const share = random(), sign = random() < 0.5 ? -1 : 1;
  const mixed = unitKernel(parts[0].map((value, i) => {
    return share * value + sign * (1 - share) * parts[1][i] + 0.15 * around();
  }));
  const norm = Math.hypot(...effect.kernel) || 1;
  const kernel = mixed.map((value) => Math.fround(norm * value));
  // At half level the new kernel does as much as the old one, or as little, either way.
  const middle = (cells) => cells.reduce((sum, value) => sum + value, 0) / 2;
  const goal = (effect.bias + middle(effect.kernel)) * 0.7 * around();
  const bias = Math.fround(goal - middle(kernel));
  const tilt = round(0.6 * around());
  return {
    effect: { ...effect, kernel, bias },
    knobs: { ...knobs, size: pick(SURPRISING_SIZES), tilt: Math.abs(tilt) < 0.2 ? 0 : tilt },
  };
}

function unitKernel(kernel) {
  const norm = Math.hypot(...kernel) || 1;
  return kernel.map((value) => value / norm);
}

Object.assign(App.prototype, {
  // Says under the kernel what an edited one makes of the sound, where that is little.
  async guard() {
    const { address, edited, sound } = this;
    await this.ready;
    const planes = edited && !this.bypass ? sound.planes : null;
    const fault = planes ? await judge(planes, this.settings()) : "";
    // Something else may have been turned meanwhile.
    if (this.address === address && this.sound === sound) $("hint").textContent = fault;
  },

  async surprise() {
    $("surprise").disabled = true;
    try {
      await this.ready;
      const rate = this.effect.sampleRate, { effect, knobs } = this;
      const sound = this.sound.planes ?? demoSound("loop", rate);
      const kernels = this.given.map((given) => given.effect.kernel);
      let made;
      for (let trial = 0; trial < SURPRISE_TRIALS; trial++) {
        made = surprise({ effect, knobs, kernels });
        const settings = { ...made.effect, ...made.knobs };
        settings.size = allowedSize(settings.size, effect.spacing);
        if (!await judge(sound, settings)) break;
      }
      this.choose(this.origin, made.effect, made.knobs);
    } finally {
      $("surprise").disabled = false;
    }
  },
});
