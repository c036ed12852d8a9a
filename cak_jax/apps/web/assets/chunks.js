// Files of samples without compression, found and decoded to the bit: WAV (RIFF, RIFX,
// RF64, BW64), W64, AIFF, AIFF-C, CAF and AU; `audio/streams/sizes.py`.

// Writers to a pipe, which cannot know the length, declare a size from here on.
const UNKNOWN_SIZE = 0x7f000000;
const MOST_CHUNKS = 4096;
// More sounds in one file are no recording.
const MOST_SOUNDS = 1000;
const UNFINISHED =
  "declares no length, as if its recorder was switched off: read to its end";
const RIFF_KINDS = { 1: "int", 3: "float", 6: "alaw", 7: "ulaw" };
const AIFF_KINDS = {
  NONE: "int", twos: "int", sowt: "int", in24: "int", in32: "int", "raw ": "unsigned",
  fl32: "float", FL32: "float", fl64: "float", FL64: "float",
  ulaw: "ulaw", ULAW: "ulaw", alaw: "alaw", ALAW: "alaw",
};
const AU_KINDS = {
  1: ["ulaw", 1], 2: ["int", 1], 3: ["int", 2], 4: ["int", 3], 5: ["int", 4],
  6: ["float", 4], 7: ["float", 8], 27: ["alaw", 1],
};

// Returns the sounds of a file that begins at `start`, and notes on it. A sound is
// `{ layout, from, to }`; without a layout only the browser may know its samples.
function chunkSounds(source, start) {
  const sounds = [], notes = [];
  while (sounds.length < MOST_SOUNDS) {
    const read = READERS[source.text(start, 4)], found = read(source, start);
    if (!found) break;
    const { size, from, layout } = found;
    let to = Math.min(source.size, from + size);
    if (size === 0 && isSound(source, from, found.order)) {
      to = source.size;
      notes.push(UNFINISHED);
    } else if (size < UNKNOWN_SIZE && from + size > source.size) {
      notes.push(`is cut short: ${from + size - source.size} bytes of it are missing`);
    }
    sounds.push({ layout, from, to });
    const { stop } = found;
    const joined = size && stop < source.size
      && [0, 8].every((at) => source.text(start + at, 4) === source.text(stop + at, 4));
    if (!joined) break;
    start = stop;
  }
  return { sounds, notes };
}

// Returns `{ name: [place, size] }` of the chunks from `at` on. A size that reaches
// beyond the end is the last.
function chunksOf(source, at, { little = false, name = 4, width = 4, pad = 2 }) {
  const found = {}, head = name + width;
  for (let count = 0; count < MOST_CHUNKS && at + 1 < source.size; count++) {
    const size = source.number(at + name, width, little) - (pad === 8 ? head : 0);
    found[source.text(at, 4)] ??= [at + head, size];
    const after = at + head + size;
    if (size < 0 || after > source.size) break;
    at = after + (pad === 2 ? size % 2 : (pad - (after % pad)) % pad);
    // Some writers forget the pad byte.
    const isMissing = pad === 2 && size % 2
      && isChunk(source, after, little) && !isChunk(source, at, little);
    if (isMissing) at = after;
  }
  return found;
}

// Says whether bytes are a chunk with a name and a size of 4 bytes each.
function isChunk(source, place, little) {
  return /^[ -~]{4}$/.test(source.text(place, 4))
    && place + 8 + source.number(place + 4, 4, little) <= source.size;
}

// Says whether bytes behind a size of 0 are no chunk, but the samples.
function isSound(source, place, little) {
  return place + 8 <= source.size && !isChunk(source, place, little);
}

function readRiff(source, start) {
  if (source.text(start + 8, 4) !== "WAVE") return null;
  const little = source.text(start, 4) !== "RIFX";
  const chunks = chunksOf(source, start + 12, { little });
  if (!chunks["fmt "] || !chunks.data) return null;
  const [from, told] = chunks.data;
  // The sizes of RF64 and BW64 stand in a chunk of their own.
  const isLong = chunks.ds64 && told === 0xffffffff;
  const size = isLong ? source.number(chunks.ds64[0] + 8, 8, true) : told;
  const end = Math.max(start + 8 + source.number(start + 4, 4, little), from + size);
  return {
    from, size, order: little, stop: end + ((end - start) % 2),
    layout: waveLayout(source, chunks["fmt "], little),
  };
}

// Returns the layout that the chunk "fmt " of a WAV or W64 file declares.
function waveLayout(source, [at, length], little) {
  const value = (place, count) => source.number(at + place, count, little);
  const isWide = value(0, 2) === 0xfffe && length >= 40;
  const channels = value(2, 2), bits = value(14, 2);
  const width = value(12, 2) / channels || Math.ceil(bits / 8);
  let kind = RIFF_KINDS[value(isWide ? 24 : 0, 2)];
  if (kind === "int" && width === 1) kind = "unsigned";
  const mask = isWide ? value(20, 4) : 0;
  return layout(kind, width, channels, value(4, 4), little, mask);
}

function readForm(source, start) {
  const chunks = chunksOf(source, start + 12, {});
  if (!/^AIF[FC]$/.test(source.text(start + 8, 4)) || !chunks.COMM || !chunks.SSND) {
    return null;
  }
  const [at, length] = chunks.COMM, [sound, told] = chunks.SSND;
  const offset = source.number(sound, 4), bits = source.number(at + 6, 2);
  const code = length >= 22 ? source.text(at + 18, 4) : "NONE";
  const from = sound + 8 + offset;
  // A count of 0 frames is that of a recorder that was switched off.
  const counted = source.number(at + 2, 4) > 0;
  const size = counted ? Math.max(0, told - 8 - offset) : 0;
  const end = Math.max(start + 8 + source.number(start + 4, 4), sound + told);
  return {
    from, size, order: false, stop: end + ((end - start) % 2),
    layout: layout(AIFF_KINDS[code], Math.ceil(bits / 8), source.number(at, 2),
      extended(source, at + 8), code === "sowt"),
  };
}

// Returns a number of 80 bits (IEEE 754, double extended).
function extended(source, at) {
  const power = (source.number(at, 2) & 0x7fff) - 16383 - 63;
  return source.number(at + 2, 8) * 2 ** power;
}

function readCaf(source, start) {
  const chunks = chunksOf(source, start + 8, { width: 8, pad: 1 });
  if (!chunks.desc || !chunks.data) return null;
  const [at] = chunks.desc, [place, told] = chunks.data;
  const code = source.text(at + 8, 4), flags = source.number(at + 12, 4);
  const channels = source.number(at + 24, 4);
  const kind = code === "lpcm" ? (flags & 1 ? "float" : "int") : AIFF_KINDS[code];
  const width = source.number(at + 16, 4) / channels;
  const rate = source.view.getFloat64(at);
  return {
    from: place + 4, size: told >= 2 ** 62 ? 2 ** 62 : Math.max(0, told - 4),
    order: false, stop: source.size,
    layout: layout(kind, width, channels, rate, Boolean(flags & 2)),
  };
}

function readAu(source, start) {
  const [offset, size, code, rate, channels] =
    [4, 8, 12, 16, 20].map((at) => source.number(start + at, 4));
  return {
    from: start + offset, size, order: false, stop: source.size,
    layout: layout(...(AU_KINDS[code] ?? []), channels, rate, false),
  };
}

function readW64(source, start) {
  const form = { little: true, name: 16, width: 8, pad: 8 };
  const chunks = chunksOf(source, start + 40, form);
  if (!chunks["fmt "] || !chunks.data) return null;
  const [from, told] = chunks.data;
  return {
    from, size: Math.max(0, told), order: true, stop: source.size,
    layout: waveLayout(source, chunks["fmt "], true),
  };
}

const READERS = {
  RIFF: readRiff, RIFX: readRiff, RF64: readRiff, BW64: readRiff, riff: readW64,
  FORM: readForm, caff: readCaf, ".snd": readAu,
};

// Returns how samples lie; null where this page does not know them. `mask` says which
// loudspeaker each channel belongs to, 0 if the file does not.
function layout(kind, width, channels, rate, little, mask = 0) {
  const known = channels >= 1 && channels <= 256 && rate >= 1 && rate <= 1e7
    && SAMPLES[`${kind}${width}`];
  return known ? { kind, width, channels, rate, little, mask } : null;
}

// Reads one sample at full scale 1.
const SAMPLES = {
  int1: (view, at) => view.getInt8(at) / 2 ** 7,
  int2: (view, at, little) => view.getInt16(at, little) / 2 ** 15,
  int3: (view, at, little) => (little
    ? view.getInt8(at + 2) * 65536 + view.getUint16(at, true)
    : view.getInt8(at) * 65536 + view.getUint16(at + 1)) / 2 ** 23,
  int4: (view, at, little) => view.getInt32(at, little) / 2 ** 31,
  unsigned1: (view, at) => (view.getUint8(at) - 128) / 2 ** 7,
  float4: (view, at, little) => view.getFloat32(at, little),
  float8: (view, at, little) => view.getFloat64(at, little),
  // ITU-T G.711.
  ulaw1: (view, at) => {
    const code = ~view.getUint8(at) & 255, power = (code >> 4) & 7;
    const size = ((((code & 15) << 3) + 132) << power) - 132;
    return (code & 128 ? -size : size) / 2 ** 15;
  },
  alaw1: (view, at) => {
    const code = view.getUint8(at) ^ 0x55, power = (code >> 4) & 7;
    const low = ((code & 15) << 4) + 8;
    const size = power ? (low + 256) << (power - 1) : low;
    return (code & 128 ? size : -size) / 2 ** 15;
  },
};

// Returns the planes of samples, in float32, of which 24-bit samples keep every bit.
function decodeSamples(source, { layout: form, from, to }) {
  const { kind, width, channels, little } = form, { view } = source;
  const read = SAMPLES[`${kind}${width}`], step = width * channels;
  const frames = Math.max(0, Math.floor((to - from) / step));
  return Array.from({ length: channels }, (_, c) => {
    const plane = new Float32Array(frames);
    let at = from + c * width;
    for (let t = 0; t < frames; t++, at += step) plane[t] = read(view, at, little);
    return plane;
  });
}
