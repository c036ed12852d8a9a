// The loop that the page opens with: two bars of plucked strings, a drum and a hi-hat.
// The noise is seeded, so that the loop is the same each time.

const BEAT_SECONDS = 60 / 104;
const BEATS = 8;
const NOTES = [110, 164.81, 220, 246.94, 329.63, 246.94, 220, 164.81];
const ROOTS = [1, 1, 0.7937, 0.8909];

function demoLoop(rate) {
  const length = Math.round(BEATS * BEAT_SECONDS * rate);
  const sound = [new Float32Array(length), new Float32Array(length)];
  const random = seeded(7);
  for (let half = 0; half < 2 * BEATS; half++) {
    const start = Math.round((half * BEAT_SECONDS * rate) / 2);
    const root = ROOTS[Math.floor(half / 4)];
    const place = half % 2 ? 0.75 : 0.25;
    add(sound, start, pluck(NOTES[half % 8] * root, rate, random), place, 0.3);
    add(sound, start, hat(half % 2 ? 0.05 : 0.02, rate, random), 0.6, 0.1);
    if (half % 4 === 0 || half === 11) add(sound, start, drum(rate), 0.5, 0.5);
  }
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

function drum(rate) {
  let phase = 0;
  const sound = Float32Array.from({ length: Math.round(0.35 * rate) }, (_, t) => {
    phase += (2 * Math.PI * (48 + 110 * Math.exp((-30 * t) / rate))) / rate;
    return Math.sin(phase) * Math.exp((-9 * t) / rate);
  });
  return faded(sound);
}

function hat(seconds, rate, random) {
  let before = 0;
  return faded(Float32Array.from({ length: Math.round(4 * seconds * rate) }, (_, t) => {
    const now = random(), edge = now - before;
    before = now;
    return edge * Math.exp(-t / (seconds * rate));
  }));
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
