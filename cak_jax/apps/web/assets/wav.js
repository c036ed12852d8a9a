// Writes planes of samples as WAV files: of 24 bits, as `cak apply` does, or of float32.

const STEP = 2 ** 23;

// Returns the gain that keeps a sound from clipping; exactly 1 where it does not clip.
function headroom(planes) {
  const loudest = peak(planes, 0, planes[0].length);
  const most = (STEP - 1) / STEP;
  return loudest > most ? most / loudest : 1;
}

function encodeWav(planes, rate) {
  const channels = planes.length, frames = planes[0].length;
  const size = 3 * channels * frames;
  const view = wavHeader({ code: 1, width: 3, channels, rate, size });
  let place = 44;
  for (let t = 0; t < frames; t++) {
    for (let c = 0; c < channels; c++) {
      const value = quantised(planes[c][t]);
      view.setInt16(place, value & 0xffff, true);
      view.setInt8(place + 2, value >> 16);
      place += 3;
    }
  }
  return view.buffer;
}

function encodeFloats(planes, rate) {
  const channels = planes.length, size = 4 * channels * planes[0].length;
  const view = wavHeader({ code: 3, width: 4, channels, rate, size });
  planes.forEach((plane, c) => {
    plane.forEach((sample, t) => {
      view.setFloat32(44 + 4 * (channels * t + c), sample, true);
    });
  });
  return view.buffer;
}

function wavHeader({ code, width, channels, rate, size }) {
  const view = new DataView(new ArrayBuffer(44 + size + (size % 2)));
  const text = (place, letters) => {
    [...letters].forEach((letter, i) => view.setUint8(place + i, letter.charCodeAt(0)));
  };
  text(0, "RIFF");
  view.setUint32(4, view.byteLength - 8, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, code, true);
  view.setUint16(22, channels, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, width * channels * rate, true);
  view.setUint16(32, width * channels, true);
  view.setUint16(34, 8 * width, true);
  text(36, "data");
  view.setUint32(40, size, true);
  return view;
}

// Rounds to whole steps with triangular dither; a sample that is a whole step stays.
function quantised(sample) {
  const steps = sample * STEP;
  const whole = Math.round(steps);
  const noise = steps === whole ? 0 : Math.random() - Math.random();
  const value = Math.round(steps + noise);
  return Math.min(STEP - 1, Math.max(-STEP, value));
}
