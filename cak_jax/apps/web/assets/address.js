// The part of the page's address after #: the effect's text code, then the name and
// the knobs where they differ from the default:
//
//   #cak1...&name=bright&amount=0.5&mix=1&tilt=0.2&size=2x1&flip=time

const PLAIN = { amount: 0.5, mix: 1, tilt: 0, size: [1, 1], flip: "none" };
const FLIPS = ["none", "time", "frequency", "both"];
const LARGEST_SIZE = 16;
const LIMITS = { amount: [0, 1], mix: [0, 1], tilt: [-1, 1] };

function writeAddress({ effect, name, knobs }) {
  const parts = [encodeEffect(effect), `name=${encodeURIComponent(name)}`];
  for (const key of Object.keys(LIMITS)) {
    if (knobs[key] !== PLAIN[key]) parts.push(`${key}=${round(knobs[key])}`);
  }
  const [h, v] = knobs.size;
  if (h !== 1 || v !== 1) parts.push(`size=${h}x${v}`);
  if (knobs.flip !== "none") parts.push(`flip=${knobs.flip}`);
  return `#${parts.join("&")}`;
}

// Throws an Error with a sentence for an address that cannot be read.
function readAddress(hash) {
  const [code, ...parts] = hash.replace(/^#/, "").split("&");
  const effect = decodeEffect(code);
  const knobs = { ...PLAIN };
  let name = "an effect from the address";
  for (const part of parts) {
    const [key, value = ""] = part.split("=");
    if (key === "name") name = plainText(value) || name;
    else if (key in LIMITS) knobs[key] = numberOf(key, value, ...LIMITS[key]);
    else if (key === "size") knobs.size = sizeOf(value);
    else if (key === "flip") knobs.flip = flipOf(value);
    else throw new Error(`The address says ${key}, which this page does not know.`);
  }
  return { effect, name, knobs };
}

function plainText(value) {
  try {
    return decodeURIComponent(value).replace(/\p{C}/gu, "").slice(0, 200).trim();
  } catch {
    throw new Error("The address holds a name that cannot be read.");
  }
}

function numberOf(key, value, least, most) {
  const number = value.trim() === "" ? NaN : Number(value);
  if (number >= least && number <= most) return number;
  throw new Error(`The address says ${key}=${value}, not ${least} to ${most}.`);
}

function sizeOf(value) {
  const found = /^(\d{1,2})x(\d{1,2})$/.exec(value)?.slice(1).map(Number) ?? [];
  const fits = (size) => size >= 1 && size <= LARGEST_SIZE;
  if (found.length && found.every(fits)) return found;
  throw new Error(
    `The address says size=${value}, not two numbers from 1 to ${LARGEST_SIZE}.`);
}

function flipOf(value) {
  if (FLIPS.includes(value)) return value;
  throw new Error(`The address says flip=${value}; it is one of ${FLIPS.join(", ")}.`);
}

function round(value) {
  return Number(value.toFixed(4));
}
