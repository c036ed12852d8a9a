// Rendering in the audio thread: the node, its latency, and whole sounds.

const MODULES = new WeakMap();

// Returns the samples from input to output: the formula of `rendering/stream.py` for
// blocks of one quantum.
function latencyOf(settings) {
  const { nFft, hop } = settings;
  let g = QUANTUM;
  while (hop % g) g /= 2;
  const wait = segmentsOf(settings).length;
  return nFft + apart(settings)[0] * hop - g + ((g - ((nFft / 2) % g)) % g) + wait;
}

function loadModule(context) {
  if (!context.audioWorklet) {
    throw new Error(`Effects do not run here: ${isSecureContext
      ? "the browser is too old." : "the address must begin with https."}`);
  }
  if (!MODULES.has(context)) {
    const address = moduleAddress();
    const loaded = context.audioWorklet.addModule(address);
    MODULES.set(context, loaded.finally(() => URL.revokeObjectURL(address)));
  }
  return MODULES.get(context);
}

// Returns an address of the audio thread's program, whose text stands in the page. A
// page that is a file has no origin, and Chromium then takes a data URI but no blob.
function moduleAddress() {
  const text = document.getElementById("worklet").textContent;
  if (location.protocol === "file:") {
    return `data:text/javascript;charset=utf-8,${encodeURIComponent(text)}`;
  }
  return URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
}

async function makeNode(context, settings, channels, options) {
  await loadModule(context);
  return new AudioWorkletNode(context, "cak", {
    numberOfInputs: 1,
    numberOfOutputs: 2,
    outputChannelCount: [channels, channels],
    channelCount: channels,
    channelCountMode: "explicit",
    processorOptions: { settings, channels, latency: latencyOf(settings), ...options },
  });
}

// Returns the wet sound with a delay of `latencyOf(settings)` samples; sounds are
// planes of samples. Calls `advance` with the share that is done, 0 to 1.
async function renderOffline(sound, settings, advance = () => {}) {
  const channels = sound.length, samples = sound[0].length;
  const length = samples + latencyOf(settings);
  const context = new OfflineAudioContext(channels, length, settings.sampleRate);
  const node = await makeNode(context, { ...settings, bypass: false }, channels, {
    frames: 1 + Math.floor(samples / settings.hop), matchSeconds: 0, ceiling: false,
  });
  node.port.onmessage = ({ data }) => advance(Math.min(1, data.time / length));
  const source = context.createBufferSource();
  source.buffer = bufferOf(context, sound);
  source.connect(node).connect(context.destination);
  source.start();
  const rendered = await context.startRendering();
  // Reports that are still on their way are dropped.
  node.port.onmessage = null;
  node.port.postMessage("over");
  return planesOf(rendered);
}

// Returns the whole sound as `cak apply` renders it: without the delay, at the loudness
// of the dry sound (ITU-R BS.1770), its peaks below the ceiling. Returns the gains as well:
// `gain`, `held` (the least of the ceiling's), and `less`, which keeps a dry sound above
// full scale from clipping.
async function renderWhole(sound, settings, advance) {
  const late = latencyOf(settings);
  const rendered = await renderOffline(sound, settings, advance);
  const wet = rendered.map((plane) => plane.subarray(late));
  const gain = matchingGain(sound, wet, settings.sampleRate);
  scale(wet, gain);
  const held = underCeiling(wet, gain === 1 ? sound : null, settings.sampleRate);
  const less = headroom(wet);
  scale(wet, less);
  return { planes: wet, gain, held, less };
}

function scale(planes, gain) {
  if (gain === 1) return;
  for (const plane of planes) {
    for (let t = 0; t < plane.length; t++) plane[t] *= gain;
  }
}

function bufferOf(context, sound) {
  const buffer = context.createBuffer(
    sound.length, sound[0].length, context.sampleRate);
  sound.forEach((plane, c) => buffer.copyToChannel(plane, c));
  return buffer;
}

function planesOf(buffer) {
  return Array.from(
    { length: buffer.numberOfChannels }, (_, c) => buffer.getChannelData(c));
}
