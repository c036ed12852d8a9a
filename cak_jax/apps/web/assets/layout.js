// The place of the kernel's cells, for the page and the audio thread alike.

// As in `rendering/settings.py`.
const MOST_APART = 64;

// Returns the frames and bins between the kernel's cells: the effect's spacing, bins and
// frames, times the size, frames and bins.
function apart({ spacing, size }) {
  return [spacing[1] * size[0], spacing[0] * size[1]];
}

// Returns the size, made smaller where cells would lie too far apart.
function allowedSize(size, spacing) {
  const most = [spacing[1], spacing[0]].map((cells) => Math.floor(MOST_APART / cells));
  return size.map((value, axis) => Math.min(value, most[axis]));
}

// Returns the nine numbers row by row, mirrored in "time", "frequency", "both" or
// "none".
function flipped(kernel, how) {
  const up = how === "frequency" || how === "both";
  const across = how === "time" || how === "both";
  return kernel.map((_, place) => {
    const i = Math.floor(place / 3), j = place % 3;
    return kernel[3 * (up ? 2 - i : i) + (across ? 2 - j : j)];
  });
}
