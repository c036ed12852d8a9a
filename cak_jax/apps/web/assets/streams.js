// The sounds in a file, one after the other, and what is odd about them:
// `audio/streams/kinds.py` and `find.py`.

const MAGIC = {
  RIFF: "chunks", RIFX: "chunks", RF64: "chunks", BW64: "chunks", riff: "chunks",
  FORM: "chunks", caff: "chunks", ".snd": "chunks", fLaC: "flac", OggS: "ogg",
  wvpk: "WavPack", TTA1: "TTA", "#!AM": "AMR", "0&\xb2u": "WMA", "\x1aE\xdf\xa3": "WebM",
};
// What an ID3 tag may stand before.
const BEGINNINGS = ["fLaC", "OggS", "RIFF"];
const MOST_SECONDS_OF_A_PAGE = 10;

// Returns `{ kind, sounds, notes }`. A sound is `{ layout, from, to }` or what the browser
// decodes: `{ bytes, frames, rate, channels }`, all but the bytes where they are known.
function soundsOf(source) {
  const { kind, start } = identify(source), notes = [];
  const find = {
    chunks: chunkSounds, mpeg: mpegSounds, adts: adtsSounds, ogg: oggSounds,
    flac: flacSounds, mp4: mp4Sounds,
  }[kind];
  const before = kind === "mpeg" ? start - behindTags(source) : 0;
  if (before > 0) {
    notes.push(`has ${before} bytes before its first frame that are no sound`);
  }
  const known = find?.(source, start);
  const whole = { bytes: source.data.slice(start) };
  const sounds = known?.sounds.length ? known.sounds : [whole];
  return { kind, sounds, notes: [...notes, ...(known?.notes ?? [])] };
}

function identify(source) {
  let start = behindTags(source), kind = kindAt(source, start);
  if (!kind && start) {
    // Writers count a byte more or less of their tag.
    const near = BEGINNINGS.map((text) => {
      return source.findText(text, Math.max(0, start - 16), start + SEARCHED);
    }).filter((at) => at >= 0);
    if (near.length) start = Math.min(...near);
    kind = kindAt(source, start);
  }
  if (kind) return { kind, start };
  const place = firstMpegFrame(source, start);
  return place < 0 ? { kind: "", start: 0 } : { kind: "mpeg", start: place };
}

function kindAt(source, at) {
  if (source.text(at + 4, 4) === "ftyp") return "mp4";
  if (source.number(at, 2) >> 4 === 0xfff && (source.data[at + 1] & 6) === 0) {
    const length = (source.number(at + 3, 3) >> 5) & 0x1fff;
    if (((source.data[at + 2] >> 2) & 15) < 13 && length > 7) return "adts";
  }
  return MAGIC[source.text(at, 4)] ?? "";
}

// Returns the place behind ID3 tags and zeros at the beginning of a file.
function behindTags(source) {
  let start = 0;
  for (;;) {
    if (source.text(start, 3) === "ID3") {
      const sizes = [6, 7, 8, 9].map((at) => source.data[start + at] & 127);
      const footer = source.data[start + 5] & 16 ? 10 : 0;
      start += 10 + footer + sizes.reduce((sum, byte) => sum * 128 + byte, 0);
    } else if (source.data[start] === 0 && source.text(start + 4, 4) !== "ftyp") {
      const block = source.data.subarray(start, start + SEARCHED);
      const zeros = block.findIndex((byte) => byte !== 0);
      if (zeros < 0) return start;
      start += zeros;
    } else {
      return start;
    }
  }
}

function flacSounds(source, start) {
  const isTagged = source.size > 128 && source.text(source.size - 128, 3) === "TAG";
  const end = source.size - (isTagged ? 128 : 0), starts = [];
  while (start >= 0 && starts.length < MOST_SOUNDS) {
    // The first block holds rate, channels, bits and length; its size is 34.
    if ([0x22, 0x80000022].includes(source.number(start + 4, 4))) starts.push(start);
    start = source.findText("fLaC", start + 4);
  }
  const sounds = starts.map((from, i) => {
    const bits = source.number(from + 18, 4);
    const count = (source.data[from + 21] & 15) * 2 ** 32 + source.number(from + 22, 4);
    return {
      bytes: source.data.slice(from, starts[i + 1] ?? end),
      rate: bits >>> 12, channels: ((bits >> 9) & 7) + 1, bits: ((bits >> 4) & 31) + 1,
      frames: count || undefined,
    };
  });
  return { sounds, notes: [] };
}

// Streams that follow each other in one file are legal ("chained", RFC 3533), and what
// comes of joined files. Browsers may play the first one only.
function oggSounds(source, at) {
  const sounds = [], notes = [];
  let wasFirst = false, ended = false;
  while (at >= 0 && at < source.size) {
    if (source.text(at, 4) !== "OggS") {
      at = source.findText("OggS", at + 1);
      continue;
    }
    const flags = source.data[at + 5], segments = source.data[at + 26];
    const isFirst = Boolean(flags & 2);
    // First pages in a row belong to streams that lie side by side.
    if (isFirst && !wasFirst) {
      if (sounds.length === MOST_SOUNDS) break;
      sounds.push({ from: at });
    }
    const stream = sounds[sounds.length - 1], serial = source.number(at + 14, 4);
    const header = isFirst ? oggHeader(source, at + 27 + segments) : null;
    if (header && stream) Object.assign(stream, header, { serial });
    wasFirst = isFirst;
    let size = 27 + segments;
    for (let i = 0; i < segments; i++) size += source.data[at + 27 + i] ?? 0;
    const isWhole = at + size <= source.size;
    ended = Boolean(flags & 4) && isWhole;
    // Samples up to the end of the page; all bits are set where no packet ends in it.
    const granule = source.number(at + 6, 8, true);
    if (isWhole && granule > 0 && granule < 2 ** 62 && stream?.serial === serial) {
      stream.first ??= granule;
      stream.frames = granule - stream.early;
    }
    at += size;
  }
  if (!ended) notes.push("is cut short: the end of the stream is missing");
  sounds.forEach((sound, i) => {
    sound.bytes = source.data.slice(sound.from, sounds[i + 1]?.from);
    // Recorded from the middle of a broadcast, it does not count from 0.
    if (sound.first > MOST_SECONDS_OF_A_PAGE * sound.rate) delete sound.frames;
  });
  return { sounds, notes };
}

// Returns what the first packet of a stream says. Opus counts samples at 48 kHz and has
// some before the sound.
function oggHeader(source, at) {
  if (source.text(at, 8) === "OpusHead") {
    const early = source.number(at + 10, 2, true);
    return { rate: 48000, channels: source.data[at + 9], early };
  }
  if (source.text(at, 7) === "\x01vorbis") {
    const rate = source.number(at + 12, 4, true);
    return { rate, channels: source.data[at + 11], early: 0 };
  }
  if (source.text(at, 5) === "\x7fFLAC") {
    const bits = source.number(at + 27, 4);
    return { rate: bits >>> 12, channels: ((bits >> 9) & 7) + 1, early: 0 };
  }
  return null;
}

function mp4Sounds(source, start) {
  const starts = [];
  while (start + 8 <= source.size && starts.length < MOST_SOUNDS) {
    if (source.text(start + 4, 4) === "ftyp") starts.push(start);
    const size = boxSize(source, start);
    if (size < 8) break;
    start += size;
  }
  const notes = start > source.size
    ? [`is cut short: ${start - source.size} bytes of it are missing`] : [];
  const sounds = starts.map((from, i) => {
    const bytes = source.data.slice(from, starts[i + 1]);
    return { bytes, ...mp4Length(new Bytes(bytes)) };
  });
  return { sounds, notes };
}

// Returns the length of the first track of sound, as far as it is declared.
function mp4Length(source) {
  let at = source.findText("moov", 0);
  while (at >= 0 && (at = source.findText("mdhd", at + 4)) >= 0) {
    const wide = source.data[at + 4] === 1, place = at + (wide ? 24 : 16);
    const handler = source.findText("hdlr", at);
    if (handler < 0 || source.text(handler + 12, 4) !== "soun") continue;
    const frames = source.number(place + 4, wide ? 8 : 4);
    return { rate: source.number(place, 4), frames: frames || undefined };
  }
  return {};
}

function boxSize(source, at) {
  const size = source.number(at, 4);
  return size === 1 ? source.number(at + 8, 8) : size;
}
