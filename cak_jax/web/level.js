// Levels, for the audio thread and for the page alike; `level.py`.

const LARGEST_GAIN = 10;
const SMALLEST_GAIN = 1e-3;

function energy(block, count) {
  let sum = 0;
  for (const plane of block) {
    for (let t = 0; t < count; t++) sum += plane[t] * plane[t];
  }
  return sum;
}

// The gain from the level `wet` to `dry`; exactly 1 where either is silent.
function boundedGain(dry, wet) {
  if (dry === 0 || wet === 0) return 1;
  return Math.min(LARGEST_GAIN, Math.max(SMALLEST_GAIN, dry / wet));
}
