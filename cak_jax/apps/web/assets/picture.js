// Pictures of the sound on canvases: spectrograms that scroll, and the whole waveform.

const FLOOR_DB = -105;
const TOP_DB = -25;
const LOWEST_SHOWN = 50;
const COLUMN = 2;
// A second is 120 pixels wide, as the bar beside the pictures.
const COLUMNS_PER_SECOND = 60;
// The most columns that are drawn at once; the rest of a longer pause is left out.
const MOST_COLUMNS = 12;
const PITCHES = [[100, "100 Hz"], [1000, "1 kHz"], [10000, "10 kHz"]];
// Colours from silent to loud.
const STOPS = [
  [15, 13, 12], [38, 20, 50], [98, 24, 84], [176, 45, 70], [240, 112, 40],
  [252, 190, 90], [255, 246, 220],
];

class Spectrogram {
  constructor(canvas) {
    this.canvas = canvas;
    this.due = 0;
    this.context = canvas.getContext("2d", { alpha: false });
    this.palette = Array.from({ length: 256 }, (_, i) => colour(i / 255));
  }

  // Says at the right edge what pitch a height is.
  label(rate) {
    const octaves = Math.log2(rate / 2 / LOWEST_SHOWN);
    const marks = PITCHES.filter(([hertz]) => hertz < rate / 2.5).map(([hertz, text]) => {
      const mark = document.createElement("span");
      mark.textContent = text;
      const share = 1 - Math.log2(hertz / LOWEST_SHOWN) / octaves;
      mark.style.top = `${(100 * share).toFixed(2)}%`;
      return mark;
    });
    this.canvas.parentElement.querySelector(".pitches").replaceChildren(...marks);
  }

  // Moves the picture to the left as far as time went on, and draws the present spectrum at
  // the right.
  draw(analyser) {
    const { canvas, context } = this;
    if (fitted(canvas) || this.analyser !== analyser) this.begin(analyser);
    const now = analyser.context.currentTime * COLUMNS_PER_SECOND;
    const columns = Math.min(MOST_COLUMNS, Math.floor(now - this.due));
    if (columns < 1) return;
    this.due = Math.max(this.due + columns, now - 1);
    const wide = columns * COLUMN * Math.max(1, Math.round(devicePixelRatio));
    analyser.getFloatFrequencyData(this.levels);
    const column = context.createImageData(wide, canvas.height);
    for (let y = 0; y < canvas.height; y++) {
      const share = (this.loudest(y) - FLOOR_DB) / (TOP_DB - FLOOR_DB);
      const [r, g, b] = this.palette[Math.round(255 * Math.min(1, Math.max(0, share)))];
      for (let x = 0; x < wide; x++) {
        column.data.set([r, g, b, 255], 4 * (y * wide + x));
      }
    }
    context.drawImage(canvas, -wide, 0);
    context.putImageData(column, canvas.width - wide, 0);
  }

  // Finds the bins of each row. Rows are spaced evenly in octaves.
  begin(analyser) {
    this.analyser = analyser;
    this.due = analyser.context.currentTime * COLUMNS_PER_SECOND;
    const bins = analyser.frequencyBinCount, height = this.canvas.height;
    const top = analyser.context.sampleRate / 2;
    this.levels = new Float32Array(bins);
    const bin = (y) => {
      const hertz = LOWEST_SHOWN * (top / LOWEST_SHOWN) ** (1 - y / height);
      return (hertz / top) * bins;
    };
    this.rows = Array.from({ length: height }, (_, y) => [bin(y + 1), bin(y)]);
    const [r, g, b] = this.palette[0];
    this.context.fillStyle = `rgb(${r} ${g} ${b})`;
    this.context.fillRect(0, 0, this.canvas.width, height);
  }

  loudest(y) {
    const [from, to] = this.rows[y], last = this.levels.length - 1;
    const first = Math.floor(from);
    if (to - from < 1) {
      // Linear between two bins.
      const low = this.levels[Math.min(last, first)];
      const high = this.levels[Math.min(last, first + 1)];
      const level = low + (high - low) * (from - first);
      return Number.isFinite(level) ? level : FLOOR_DB;
    }
    let found = FLOOR_DB;
    for (let k = first; k < Math.min(to, last + 1); k++) {
      found = Math.max(found, this.levels[k]);
    }
    return found;
  }
}

// The waveform of the whole sound with the position, which a click changes.
class Overview {
  constructor(canvas, seek) {
    Object.assign(this, { canvas, seek, peaks: [], position: 0, seconds: 0 });
    canvas.addEventListener("pointerdown", (event) => {
      if (!event.button) this.seek(event.offsetX / canvas.clientWidth);
    });
    canvas.addEventListener("keydown", (event) => this.press(event));
    this.style = getComputedStyle(canvas);
  }

  // Takes planes of samples; none for a sound without an end.
  set(planes, rate) {
    if (planes && planes === this.planes) return;
    this.planes = planes;
    this.seconds = planes ? planes[0].length / rate : 0;
    this.canvas.setAttribute("aria-valuemax", this.seconds.toFixed(1));
    this.peaks = [];
    this.drawn = -1;
    this.draw(0);
  }

  press(event) {
    const way = { ArrowRight: 0.05, ArrowLeft: -0.05, Home: -1, End: 0.99 }[event.key];
    if (!way) return;
    event.preventDefault();
    this.seek(Math.min(0.999, Math.max(0, this.position + way)));
  }

  // `position` is a share of the length.
  draw(position) {
    const { canvas } = this, resized = fitted(canvas);
    const heard = Math.round(position * canvas.width);
    this.position = position;
    if (!resized && heard === this.drawn) return;
    this.drawn = heard;
    canvas.setAttribute("aria-valuenow", (position * this.seconds).toFixed(1));
    if (this.planes && (resized || !this.peaks.length)) this.measure();
    const context = canvas.getContext("2d");
    const [accent, muted, ink] = ["--accent", "--muted", "--ink"].map((name) => {
      return this.style.getPropertyValue(name);
    });
    context.clearRect(0, 0, canvas.width, canvas.height);
    this.peaks.forEach((peak, x) => {
      const tall = Math.max(1, peak * 0.92 * canvas.height);
      context.fillStyle = x < heard ? accent : muted;
      context.fillRect(x, (canvas.height - tall) / 2, 1, tall);
    });
    if (!this.planes) return;
    context.fillStyle = ink;
    context.fillRect(heard, 0, Math.max(1, devicePixelRatio), canvas.height);
  }

  measure() {
    const width = this.canvas.width, length = this.planes[0].length;
    const found = Array.from({ length: width }, (_, x) => {
      const from = Math.floor((x * length) / width);
      const to = Math.floor(((x + 1) * length) / width);
      return peak(this.planes, from, Math.max(from + 1, to));
    });
    const most = Math.max(1e-9, ...found);
    this.peaks = found.map((value) => value / most);
  }
}

// Gives a canvas its size on the screen in pixels; returns whether it changed.
function fitted(canvas) {
  const width = Math.max(1, Math.round(canvas.clientWidth * devicePixelRatio));
  const height = Math.max(1, Math.round(canvas.clientHeight * devicePixelRatio));
  if (canvas.width === width && canvas.height === height) return false;
  canvas.width = width;
  canvas.height = height;
  return true;
}

function colour(share) {
  const place = share * (STOPS.length - 1), low = Math.floor(place);
  const high = Math.min(STOPS.length - 1, low + 1);
  return STOPS[low].map((v, i) => Math.round(v + (STOPS[high][i] - v) * (place - low)));
}
