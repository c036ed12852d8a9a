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
