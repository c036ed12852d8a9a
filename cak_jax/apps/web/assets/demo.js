// The sounds that the page brings, two bars each, made when they are chosen. The noise
// is seeded, so that they are the same each time.

const BEAT_SECONDS = 60 / 104;
const BEATS = 8;
const NOTES = [110, 164.81, 220, 246.94, 329.63, 246.94, 220, 164.81];
const ROOTS = [1, 1, 0.7937, 0.8909];
const CHORDS = [[220, 261.63, 329.63], [174.61, 220, 261.63], [130.81, 196, 329.63],
  [196, 246.94, 293.66]];
// Overtones of a bell and how loud they are.
const BELL = [[1, 1], [2.76, 0.5], [5.4, 0.25], [8.93, 0.12]];
// Formants of a, o, i, e: Hz.
const VOWELS = [[730, 1090, 2440], [570, 840, 2410], [270, 2290, 3010],
  [530, 1840, 2480]];
const WAVE_POINTS = 4096;
const SINGS = [146.83, 130.81, 164.81, 146.83];
// By name: what it is called while it plays, and the function that makes it.
const DEMOS = {
  loop: ["a loop to begin with", pluckedLoop],
  drums: ["drums", drumLoop],
  chords: ["chords", chordLoop],
  bells: ["bells", bellLoop],
  voice: ["a voice", voiceLoop],
};

function demoSound(name, rate) {
  return DEMOS[name][1](rate);
}

function silentLoop(rate) {
  const length = Math.round(BEATS * BEAT_SECONDS * rate);
  return [new Float32Array(length), new Float32Array(length)];
}

// Calls `play(half, start)` for each half beat with its number and first sample.
function everyHalfBeat(rate, play) {
  for (let half = 0; half < 2 * BEATS; half++) {
    play(half, Math.round((half * BEAT_SECONDS * rate) / 2));
  }
}

function pluckedLoop(rate) {
  const sound = silentLoop(rate), random = seeded(7);
  everyHalfBeat(rate, (half, start) => {
    const root = ROOTS[Math.floor(half / 4)];
    const place = half % 2 ? 0.75 : 0.25;
    add(sound, start, pluck(NOTES[half % 8] * root, rate, random), place, 0.24);
    add(sound, start, hat(half % 2 ? 0.05 : 0.02, rate, random), 0.6, 0.1);
    if (half % 4 === 0 || half === 11) add(sound, start, drum(rate), 0.5, 0.42);
  });
  return sound;
}

function drumLoop(rate) {
  const sound = silentLoop(rate), random = seeded(3);
  everyHalfBeat(rate, (half, start) => {
    if ([0, 3, 8, 10, 11].includes(half)) add(sound, start, drum(rate), 0.5, 0.48);
    if (half % 8 === 4) add(sound, start, snare(rate, random), 0.5, 0.32);
    add(sound, start, hat(half % 4 === 2 ? 0.08 : 0.02, rate, random), 0.65, 0.1);
  });
  return sound;
}

function chordLoop(rate) {
  const sound = silentLoop(rate);
  everyHalfBeat(rate, (half, start) => {
    if (half % 4) return;
    CHORDS[half / 4].forEach((hertz, i) => {
      // Two voices a little out of tune, one at each side.
      add(sound, start, reed(hertz * 0.998, rate), 0.2 + 0.1 * i, 0.08);
      add(sound, start, reed(hertz * 1.002, rate), 0.8 - 0.1 * i, 0.08);
    });
  });
  return sound;
}

function bellLoop(rate) {
  const sound = silentLoop(rate);
  everyHalfBeat(rate, (half, start) => {
    if ([0, 3, 6, 8, 11, 14].includes(half)) {
      add(sound, start, bell(4 * NOTES[(3 * half) % 8], rate), (half % 5) / 4, 0.16);
    }
  });
  return sound;
}

function voiceLoop(rate) {
  const sound = silentLoop(rate);
  everyHalfBeat(rate, (half, start) => {
    if (half % 4 === 0) add(sound, start, vowel(half / 4, rate), 0.5, 0.2);
  });
  return sound;
}

// Adds a part to the loop; what passes the end continues at the beginning.
function add(sound, start, part, place, level) {
  const gains = [level * (1 - place), level * place];
  sound.forEach((plane, c) => {
    for (let t = 0; t < part.length; t++) {
      plane[(start + t) % plane.length] += 2 * gains[c] * part[t];
    }
  });
}

// Returns a plucked string: noise that is smoothed at every period (Karplus and
// Strong, 1983).
function pluck(hertz, rate, random) {
  const period = Math.round(rate / hertz);
  const sound = new Float32Array(Math.round(1.2 * rate));
  for (let t = 0; t < period; t++) sound[t] = random();
  for (let t = period; t < sound.length; t++) {
    sound[t] = 0.498 * (sound[t - period] + sound[Math.max(0, t - period - 1)]);
  }
  return faded(sound);
}

function snare(rate, random) {
  return faded(made(Math.round(0.25 * rate), (t) => {
    const tone = Math.sin((2 * Math.PI * 190 * t) / rate) * Math.exp((-30 * t) / rate);
    return 0.6 * tone + random() * Math.exp((-18 * t) / rate);
  }));
}

// A tone with falling overtones that swells and fades.
function reed(hertz, rate) {
  const seconds = 2.1 * BEAT_SECONDS;
  const most = Math.min(14, Math.floor(7000 / hertz));
  const wave = waveOf(Array.from({ length: most }, (_, i) => 1 / (i + 1)));
  return made(Math.round(seconds * rate), (t) => {
    const time = t / rate;
    return read(wave, hertz * time) * Math.sqrt(Math.sin((Math.PI * time) / seconds));
  });
}

function bell(hertz, rate) {
  const sound = new Float32Array(Math.round(2.5 * rate));
  for (const [ratio, level] of BELL) {
    // A number that turns around 0 and shrinks: its height is the overtone.
    const angle = (2 * Math.PI * ratio * hertz) / rate;
    const fall = Math.exp((-1.6 * ratio) / rate);
    const c = fall * Math.cos(angle), s = fall * Math.sin(angle);
    let x = level, y = 0;
    for (let t = 0; t < sound.length; t++) {
      sound[t] += y;
      [x, y] = [c * x - s * y, s * x + c * y];
    }
  }
  return faded(sound);
}

// The overtones of a sung note, as loud as the mouth lets them through.
function vowel(number, rate) {
  const hertz = SINGS[number], seconds = 1.8 * BEAT_SECONDS;
  const levels = Array.from({ length: Math.floor(4500 / hertz) }, (_, i) => {
    const place = (i + 1) * hertz;
    return VOWELS[number].reduce((sum, formant, f) => {
      return sum + (0.5 ** f) / (1 + ((place - formant) / 90) ** 2);
    }, 0.004);
  });
  const wave = waveOf(levels);
  return made(Math.round(seconds * rate), (t) => {
    const time = t / rate, vibrato = 0.02 * Math.sin(2 * Math.PI * 5.2 * time);
    const loud = Math.min(1, 12 * time, 12 * (seconds - time));
    return read(wave, hertz * time + vibrato) * loud;
  });
}

// Returns one period of a sound whose overtones are so loud.
function waveOf(levels) {
  return made(WAVE_POINTS, (t) => {
    const phase = (2 * Math.PI * t) / WAVE_POINTS;
    return levels.reduce((sum, level, i) => sum + level * Math.sin((i + 1) * phase), 0);
  });
}

// Returns its value after so many periods, linear between two points.
function read(wave, periods) {
  const place = periods * WAVE_POINTS, before = Math.floor(place);
  const a = wave[before & (WAVE_POINTS - 1)], b = wave[(before + 1) & (WAVE_POINTS - 1)];
  return a + (b - a) * (place - before);
}

function drum(rate) {
  let phase = 0;
  const sound = made(Math.round(0.35 * rate), (t) => {
    phase += (2 * Math.PI * (48 + 110 * Math.exp((-30 * t) / rate))) / rate;
    return Math.sin(phase) * Math.exp((-9 * t) / rate);
  });
  return faded(sound);
}

function hat(seconds, rate, random) {
  let before = 0;
  return faded(made(Math.round(4 * seconds * rate), (t) => {
    const now = random(), edge = now - before;
    before = now;
    return edge * Math.exp(-t / (seconds * rate));
  }));
}

function made(length, sample) {
  const sound = new Float32Array(length);
  for (let t = 0; t < length; t++) sound[t] = sample(t);
  return sound;
}

function faded(sound) {
  const length = Math.min(sound.length, 1000);
  for (let t = 0; t < length; t++) sound[sound.length - 1 - t] *= t / length;
  return sound;
}

// Returns a source of numbers from -1 to 1: the linear congruence of Numerical
// Recipes.
function seeded(state) {
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}
