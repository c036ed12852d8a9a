// Where sound comes from: files, which `streams.js` takes apart, and the microphone.

const LARGEST_FILE = 100e6;
const LONGEST_MINUTES = 20;

// What the page decodes itself, then what browsers decode if they know it.
const OWN_FORMATS = "WAV, AIFF, CAF, AU and W64";
const BROWSER_FORMATS = [
  ["MP3", "audio/mpeg"], ["FLAC", "audio/flac"], ["OGG", "audio/ogg; codecs=vorbis"],
  ["Opus", "audio/ogg; codecs=opus"], ["M4A", "audio/mp4; codecs=mp4a.40.2"],
  ["AAC", "audio/aac"], ["WebM", "audio/webm; codecs=opus"],
];
const FORMAT_NAMES = { chunks: "", mpeg: "MP3", adts: "AAC", ogg: "OGG", flac: "FLAC",
  mp4: "M4A or MP4" };
// Seconds; delay and padding of encoders are shorter.
const LENGTH_TOLERANCE = 0.1;
// Places in a channel mask: loudspeakers at the left, at the right, those in front.
const LEFT = [0, 4, 6, 9, 12, 15], RIGHT = [1, 5, 7, 10, 14, 17], FRONT = [0, 1];
// Channel masks of sounds that bring none, by their number of channels.
const USUAL_MASKS = { 3: 0x7, 4: 0x33, 5: 0x607, 6: 0x60f, 7: 0x70f, 8: 0x63f };

function readableFormats() {
  const probe = document.createElement("audio");
  const found = BROWSER_FORMATS.filter(([, type]) => probe.canPlayType(type));
  return `${OWN_FORMATS}; in this browser ${found.map(([name]) => name).join(", ")}`;
}

// Returns the samples of a file at a sample rate in one or two planes, its number of
// channels, and notes on what is odd about it. Throws an Error with a sentence.
async function decodeFile(file, rate) {
  const name = `"${file.name}"`;
  if (!file.size) throw new Error(`${name} is empty.`);
  if (file.size > LARGEST_FILE) {
    throw new Error(
      `${name} is larger than 100 MB; "cak apply" renders files of any length.`);
  }
  const source = new Bytes(new Uint8Array(await file.arrayBuffer()));
  const { kind, sounds, notes } = soundsOf(source), parts = [];
  for (const sound of sounds) {
    const other = describeOther(sound, sounds[0]);
    const part = other ? null : await decodeSound(source, sound, rate).catch(() => null);
    if (!part && !parts.length) throw new Error(refusal(file.name, kind, source));
    if (!part) {
      const reason = other || "it cannot be decoded";
      notes.unshift(`is ${sounds.length} sounds joined to one file: number `
        + `${parts.length + 1} is not read, nor what follows (${reason})`);
      break;
    }
    const told = sound.frames / sound.rate, found = part.planes[0].length / rate;
    if (Math.abs(told - found) > LENGTH_TOLERANCE) {
      const [a, b] = [told, found].map((seconds) => seconds.toFixed(1));
      notes.push(`declares ${a} s, of which this browser decodes ${b} s; `
        + `if it is whole, make a WAV of it with ${remedy(file.name)}`);
    }
    parts.push(part);
  }
  if (parts.length === sounds.length && parts.length > 1) {
    notes.unshift(`is ${parts.length} sounds joined to one file, all read`);
  }
  const planes = inARow(parts.map((part) => part.planes));
  check(name, planes, rate);
  return { planes, channels: parts[0].channels, notes };
}

function check(name, planes, rate) {
  if (!planes[0].length) throw new Error(`${name} holds no sound.`);
  if (planes[0].length / rate > 60 * LONGEST_MINUTES) {
    throw new Error(
      `${name} is longer than ${LONGEST_MINUTES} minutes; "cak apply" takes it.`);
  }
  if (!planes.every((plane) => plane.every((sample) => Math.abs(sample) < 16))) {
    throw new Error(`${name} holds samples that are no numbers, or far too loud.`);
  }
}

// Says how a sound differs from the first one, so that it does not go on with it.
function describeOther(sound, first) {
  const [a, b] = [sound, first].map((one) => one.layout ?? one);
  const same = a.rate === b.rate && a.channels === b.channels;
  return same ? "" : `it has ${a.channels ?? "other"} channels at ${a.rate} Hz`;
}

function inARow(parts) {
  if (parts.length === 1) return parts[0];
  return parts[0].map((_, c) => joinArrays(parts.map((planes) => planes[c])));
}

async function decodeSound(source, sound, rate) {
  if (sound.layout) {
    const { layout: form } = sound, planes = decodeSamples(source, sound);
    const two = mixedDown(planes, form.mask);
    const same = form.rate === rate || !planes[0].length;
    // Browsers change the rate of a file well, and that of a sound badly.
    return { planes: same ? two : planesOf(
      await byBrowser(encodeFloats(two, form.rate), rate)), channels: form.channels };
  }
  const buffer = await byBrowser(sound.bytes.buffer, rate);
  const planes = planesOf(buffer);
  if (sound.bits <= 16 && sound.rate === rate) {
    planes.forEach((plane) => toSteps(plane, sound.bits));
  }
  return { planes: mixedDown(planes, 0), channels: planes.length };
}

function byBrowser(data, rate) {
  return new OfflineAudioContext(1, 1, rate).decodeAudioData(data);
}

// Gives samples of a lossless format of so many bits their true values: Chromium makes
// 16 bits of fewer, and divides positive steps by 32767, negative ones by 32768.
function toSteps(plane, bits) {
  if (plane.every((sample) => Number.isInteger(sample * 2 ** (bits - 1)))) return;
  for (let t = 0; t < plane.length; t++) {
    const most = plane[t] > 0 ? 32767 : 32768;
    plane[t] = Math.round(plane[t] * most) / 32768;
  }
}

// Returns one or two planes. Loudspeakers beside and behind count 3 dB less, those in the
// middle for both sides; a sound for no loudspeakers is the same on both.
function mixedDown(planes, mask) {
  if (planes.length < 3) return planes;
  const wanted = mask || USUAL_MASKS[planes.length] || 0;
  const places = [...Array(18).keys()].filter((bit) => (wanted >> bit) & 1);
  const gain = (c, other) => {
    if (places.length !== planes.length) return 1 / planes.length;
    if (other.includes(places[c])) return 0;
    return FRONT.includes(places[c]) ? 1 : Math.SQRT1_2;
  };
  return [RIGHT, LEFT].map((other) => {
    const sum = new Float32Array(planes[0].length);
    planes.forEach((plane, c) => {
      const level = gain(c, other);
      for (let t = 0; level && t < sum.length; t++) sum[t] += level * plane[t];
    });
    return sum;
  });
}

// Returns the sentence about a file that cannot be decoded.
function refusal(name, kind, source) {
  const isLossless = kind === "mp4" && source.findText("alac", 0) >= 0;
  const found = isLossless ? "Apple Lossless" : FORMAT_NAMES[kind] ?? kind;
  const what = found ? `is ${found}, which this browser does not decode`
    : kind ? "holds samples of a kind that this browser does not decode, or is damaged"
    : `is no sound file that this page knows (${readableFormats()})`;
  return `"${name}" ${what}: make a WAV of it with ${remedy(name)}`;
}

function remedy(name) {
  const stem = name.replace(/\.[^.]*$/, "");
  return `ffmpeg -i "${name}" "${stem || "sound"}.wav"`;
}

async function openMicrophone() {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Error(`This page gets no microphone: ${isSecureContext
      ? "the browser is too old." : "the address must begin with https."}`);
  }
  const plain = { echoCancellation: false, noiseSuppression: false };
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: { ...plain, autoGainControl: false },
    });
  } catch (error) {
    throw new Error({
      NotAllowedError: "The microphone is not allowed: permit it for this page.",
      NotFoundError: "There is no microphone.",
      NotReadableError: "The microphone is used by another program.",
    }[error.name] ?? `The microphone cannot be used (${error.name}).`);
  }
}
