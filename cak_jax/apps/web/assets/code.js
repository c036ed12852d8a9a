// Effects as text codes. The layout stands in the docstring of `effect/text_code.py`,
// the checks are those of `effect/schema.py`. Every fault is an Error with a sentence.

// Bytes with the checksum.
const BYTES = { cak1: 84, cak2: 132 };
const PREFIX_LENGTH = 4;
const LARGEST = 1e4;
const LARGEST_SPACING = 16;
const LARGEST_SHARE = 4;
// Hz that every browser plays, and the largest window that this page transforms.
const RATES = [8000, 96000];
const LARGEST_FFT = 65536;

function decodeEffect(code) {
  const bytes = BYTES[code.slice(0, PREFIX_LENGTH)];
  if (!bytes) throw new Error("This is no text code of an effect.");
  const length = PREFIX_LENGTH + (bytes * 4) / 3;
  if (code.length !== length || !/^[A-Za-z0-9_-]+$/.test(code)) {
    throw new Error("The effect's text code is damaged: copy all of it.");
  }
  const data = bytesOf(code.slice(PREFIX_LENGTH));
  const view = new DataView(data.buffer);
  const checked = bytes - 4;
  if (view.getUint32(checked, true) !== crc32(data.subarray(0, checked))) {
    throw new Error("The effect's text code is damaged: its checksum does not fit.");
  }
  const floats = Array.from({ length: 17 }, (_, i) => view.getFloat32(4 * i, true));
  const [bias, scale, threshold, temperature, ...constants] = floats.slice(9);
  const [alpha, gamma, low, high] = constants;
  const [sampleRate, nFft, hop] = [68, 72, 76].map((at) => view.getUint32(at, true));
  const effect = {
    kernel: floats.slice(0, 9), bias, scale, threshold, temperature,
    alpha, gamma, low, high, sampleRate, nFft, hop,
    ...(bytes === BYTES.cak2 ? secondPart(view) : FIRST),
  };
  checkEffect(effect);
  return effect;
}

// What an effect of the first version has. `knob` holds the shares of the pattern at
// amounts 0, 1/8, ... 1; null stands for the amounts themselves.
const FIRST = { spacing: [1, 1], knob: null, quality: 0, range: 0 };

function secondPart(view) {
  const knob = Array.from({ length: 9 }, (_, i) => view.getFloat32(84 + 4 * i, true));
  return {
    spacing: [view.getUint16(80, true), view.getUint16(82, true)],
    knob: knob.every((share, i) => share === i / 8) ? null : knob,
    quality: view.getInt32(120, true),
    range: view.getFloat32(124, true),
  };
}

function encodeEffect(effect) {
  const { spacing, knob, quality, range } = effect;
  const first = spacing[0] === 1 && spacing[1] === 1 && !knob && !quality;
  const prefix = first ? "cak1" : "cak2", bytes = BYTES[prefix];
  const view = new DataView(new ArrayBuffer(bytes));
  const floats = [
    ...effect.kernel, effect.bias, effect.scale, effect.threshold, effect.temperature,
    effect.alpha, effect.gamma, effect.low, effect.high,
  ];
  floats.forEach((value, i) => view.setFloat32(4 * i, value, true));
  [effect.sampleRate, effect.nFft, effect.hop].forEach((value, i) => {
    view.setUint32(68 + 4 * i, value, true);
  });
  if (!first) {
    spacing.forEach((value, i) => view.setUint16(80 + 2 * i, value, true));
    for (let i = 0; i < 9; i++) view.setFloat32(84 + 4 * i, knob?.[i] ?? i / 8, true);
    view.setInt32(120, quality, true);
    view.setFloat32(124, range, true);
  }
  const data = new Uint8Array(view.buffer);
  view.setUint32(bytes - 4, crc32(data.subarray(0, bytes - 4)), true);
  return prefix + textOf(data);
}

function checkEffect(effect) {
  effect.spacing.forEach((value) => within("spacing", value, 1, LARGEST_SPACING));
  if (effect.quality) within("range", effect.range, 1e-6, 1e6);
  effect.knob?.forEach((share, i, knob) => {
    within(`knob[${i}]`, share, 0, i ? LARGEST_SHARE : 0);
    if (i && share <= knob[i - 1]) {
      throw new Error(`The effect's knob[${i}] must be above knob[${i - 1}].`);
    }
  });
  effect.kernel.forEach((value, i) => {
    within(`kernel[${Math.floor(i / 3)}][${i % 3}]`, value, -LARGEST, LARGEST);
  });
  within("bias", effect.bias, -LARGEST, LARGEST);
  within("scale", effect.scale, -LARGEST, LARGEST);
  within("alpha", effect.alpha, 1e-6, 1e6);
  within("gamma", effect.gamma, 0.01, 100);
  within("low", effect.low, -50, 50);
  within("high", effect.high, effect.low + 1e-6, 50);
  within("sample rate", effect.sampleRate, ...RATES);
  within("FFT size", effect.nFft, 16, LARGEST_FFT);
  if (Math.log2(effect.nFft) % 1) {
    throw new Error(
      `The effect's FFT size is ${effect.nFft}; this page needs a power of two.`);
  }
  within("hop", effect.hop, 1, effect.nFft / 2);
  if (effect.nFft % effect.hop) {
    throw new Error(`The effect's hop of ${effect.hop} does not divide its FFT size.`);
  }
}

function within(name, value, least, most) {
  if (value >= least && value <= most) return;
  throw new Error(
    `The effect's ${name} is ${value}; this page takes ${least} to ${most}.`);
}

// Decodes base64url without padding (RFC 4648, section 5).
function bytesOf(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
}

function textOf(bytes) {
  const plain = btoa(String.fromCharCode(...bytes));
  return plain.replaceAll("+", "-").replaceAll("/", "_");
}

// The CRC of zlib. It works bit by bit, which is fast enough for 128 bytes.
function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
