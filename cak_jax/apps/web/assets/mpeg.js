// Frames of MPEG audio, layer II and III, and of ADTS: which bytes belong to them, and
// how many samples they hold; `audio/streams/mpeg.py`.

const LAYER_3 = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const LAYER_2 = [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384];
const LOW_RATES = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
const MPEG_HERTZ = [44100, 48000, 32000];
const TAGS = /^(ID3|TAG|APETAGEX|LYRICSBEGIN|3DI)/;
const LONGEST_FRAME = 1441;
// Samples; no encoder's delay or padding is longer.
const LONGEST_EDGE = 2 * 1152 + 576;
// So many frames in a row are no accident.
const CERTAIN = 4;
const SEARCHED = 65536;

// Returns what the header of a frame says; null where none stands. `key` tells that a
// stream goes on, `tag` is the place of `Xing` in such a frame.
function mpegHeader(source, at) {
  const [a, b, c, d] = source.data.subarray(at, at + 4);
  if (d === undefined || a !== 0xff || (b & 0xe0) !== 0xe0) return null;
  const version = (b >> 3) & 3, layer = (b >> 1) & 3;
  const bitrate = c >> 4, rate = (c >> 2) & 3;
  if (version === 1 || layer === 0 || layer === 3) return null;
  if (bitrate === 0 || bitrate === 15 || rate === 3) return null;
  const first = version === 3, short = layer === 1 && !first;
  const table = first ? (layer === 1 ? LAYER_3 : LAYER_2) : LOW_RATES;
  const hertz = MPEG_HERTZ[rate] >> (first ? 0 : version === 2 ? 1 : 2);
  const size = Math.floor(((short ? 72000 : 144000) * table[bitrate]) / hertz);
  const isMono = d >> 6 === 3;
  return {
    length: size + ((c >> 1) & 1), samples: short ? 576 : 1152, hertz,
    channels: isMono ? 1 : 2, key: `${b & 0x1e} ${rate} ${isMono}`,
    tag: 4 + (first ? (isMono ? 17 : 32) : isMono ? 9 : 17),
  };
}

// Says whether frames of one kind follow each other, or end the file.
function framesInARow(source, at, count, key) {
  for (let i = 0; i < count; i++) {
    const found = mpegHeader(source, at);
    if (!found || found.key !== (key ?? found.key)) {
      return i > 0 && ["TAG", "APE", ""].includes(source.text(at, 3));
    }
    key = found.key;
    at += found.length;
  }
  return true;
}

function firstMpegFrame(source, start) {
  return source.find(0xff, start, start + SEARCHED,
    (at) => mpegHeader(source, at) && framesInARow(source, at, CERTAIN));
}

// Returns the sounds of a file whose first frame is at `at`, and notes on it. A sound is
// `{ bytes, frames, rate, channels }`: nothing but frames, and the samples in them.
function mpegSounds(source, at) {
  const streams = [], notes = [];
  let key = null, skipped = 0, cut = false, stop = at;
  while (at < source.size) {
    const found = mpegHeader(source, at);
    if (found && found.key === (key ?? found.key)) {
      cut = at + found.length > source.size;
      if (cut) break;
      const isFirst = key === null || isInfo(source, at, found);
      if (isFirst) streams.push({ ...found, pieces: [], count: 0 });
      const stream = streams[streams.length - 1], { pieces } = stream;
      const last = pieces[pieces.length - 1];
      if (last?.[1] === at) last[1] += found.length;
      else pieces.push([at, at + found.length]);
      stream.count += 1;
      key = found.key;
      stop = at += found.length;
      continue;
    }
    const before = at;
    at = nextFrame(source, at, key);
    if (at < 0) break;
    if (mpegHeader(source, at).key !== key) key = null;
    if (!TAGS.test(source.text(before, 11))) skipped += at - before;
  }
  const sounds = streams.map((stream) => {
    return mpegSound(source, stream, cut ? source.size - stop : 0, notes);
  });
  if (skipped) notes.push(`has ${skipped} bytes between its frames that are no sound`);
  if (cut && !notes.some((note) => note.startsWith("is cut short"))) {
    notes.push("is cut short: its last frame is incomplete");
  }
  const isTag = TAGS.test(source.text(stop, 11));
  if (!cut && !isTag && !source.isZero(stop, source.size)) {
    const rest = source.size - stop;
    notes.push(`has ${rest} bytes behind its last frame that are no sound`);
  }
  return { sounds, notes };
}

// Returns the place at which frames go on; -1 if they do not.
function nextFrame(source, from, key) {
  return source.find(0xff, from, source.size, (at) => {
    const found = mpegHeader(source, at);
    const least = found?.key === key ? 2 : CERTAIN;
    return found && framesInARow(source, at, least, found.key);
  });
}

// Says whether a frame holds no sound, but the number of frames.
function isInfo(source, at, found) {
  return ["Xing", "Info"].includes(source.text(at + found.tag, 4))
    || source.text(at + 36, 4) === "VBRI";
}

function mpegSound(source, stream, rest, notes) {
  const { pieces, count, samples, hertz: rate, channels, tag } = stream;
  const bytes = source.joined(pieces), head = new Bytes(bytes);
  if (!isInfo(head, 0, stream)) {
    return { bytes, frames: count * samples, rate, channels };
  }
  const frames = count - 1, flags = bytes[tag + 7], place = tag + 8;
  if (head.text(tag, 4) === "VBRI" || !(flags & 1)) {
    return { bytes, frames: frames * samples, rate, channels };
  }
  const declared = head.number(place, 4);
  const told = flags & 2 ? head.number(place + 4, 4) : 0;
  const missing = told - bytes.length - rest;
  if (missing > LONGEST_FRAME && declared > frames) {
    notes.push(`is cut short: ${missing} bytes of it are missing`);
  } else if (declared > frames + 1) {
    notes.push(`is cut short: ${declared - frames} frames of it are missing`);
  }
  const at = place + 25 + 2 * (flags & 2) + 25 * (flags & 4) + 4 * ((flags >> 3) & 1);
  let delay = head.number(at, 3) >> 12, padding = head.number(at, 3) & 4095;
  const isOdd = Math.max(delay, padding) > LONGEST_EDGE;
  if (isOdd) delay = 0;
  // Encoders count this frame among the others or do not.
  const isTrue = (declared === frames || declared === frames + 1) && !isOdd;
  if (!isTrue && frames) {
    // The padding was at an end that is another one now.
    padding = 0;
    head.view.setUint32(place, frames);
    if (flags & 2) head.view.setUint32(place + 4, bytes.length);
    head.view.setUint16(at, delay << 4);
    bytes[at + 2] = 0;
  }
  return { bytes, frames: frames * samples - delay - padding, rate, channels };
}

const ADTS_HERTZ = [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000,
  11025, 8000, 7350];

// The same of ADTS: AAC as radio stations send it.
function adtsSounds(source, at) {
  const start = at, notes = [], rate = ADTS_HERTZ[(source.data[at + 2] >> 2) & 15];
  let frames = 0;
  while (source.number(at, 2) >> 4 === 0xfff) {
    const length = (source.number(at + 3, 3) >> 5) & 0x1fff;
    if (length < 7 || at + length > source.size) {
      notes.push("is cut short: its last frame is incomplete");
      break;
    }
    frames += 1024 * (1 + (source.data[at + 6] & 3));
    at += length;
  }
  const bytes = source.data.slice(start);
  return { sounds: [{ bytes, frames, rate }], notes };
}
