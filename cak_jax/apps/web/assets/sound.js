// Where sound comes from: files and the microphone.

const LARGEST_FILE = 100e6;
const LONGEST_MINUTES = 20;

// Returns the samples of a file at a sample rate, in one or two planes, and its number
// of channels. Throws an Error with a sentence.
async function decodeFile(file, rate) {
  const name = `"${file.name}"`;
  if (!file.size) throw new Error(`${name} is empty.`);
  if (file.size > LARGEST_FILE) {
    throw new Error(
      `${name} is larger than 100 MB; "cak apply" renders files of any length.`);
  }
  const context = new OfflineAudioContext(1, 1, rate);
  let buffer;
  try {
    buffer = await context.decodeAudioData(await file.arrayBuffer());
  } catch {
    throw new Error(
      `${name} cannot be decoded by this browser; WAV, MP3, FLAC and OGG usually can.`);
  }
  if (!buffer.length) throw new Error(`${name} holds no sound.`);
  if (buffer.duration > 60 * LONGEST_MINUTES) {
    throw new Error(
      `${name} is longer than ${LONGEST_MINUTES} minutes; "cak apply" takes it.`);
  }
  const sound = planesOf(buffer.numberOfChannels > 2 ? await toStereo(buffer) : buffer);
  if (!sound.every((plane) => plane.every((sample) => Math.abs(sample) < 16))) {
    throw new Error(`${name} holds samples that are no numbers, or far too loud.`);
  }
  return { planes: sound, channels: buffer.numberOfChannels };
}

async function toStereo(buffer) {
  const context = new OfflineAudioContext(2, buffer.length, buffer.sampleRate);
  const source = context.createBufferSource();
  source.buffer = buffer;
  source.connect(context.destination);
  source.start();
  return context.startRendering();
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
