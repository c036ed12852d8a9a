// The bytes of a file, read at any place: `audio/streams/source.py`. Behind the end of a
// file a number reads as 0, and a text is shorter.

class Bytes {
  constructor(data) {
    this.data = data;
    this.size = data.length;
    this.view = new DataView(data.buffer, data.byteOffset, data.length);
  }

  text(at, count) {
    return String.fromCharCode(...this.data.subarray(at, at + count));
  }

  number(at, count, little = false) {
    let value = 0;
    for (let i = 0; i < count; i++) {
      value = 256 * value + (this.data[little ? at + count - 1 - i : at + i] ?? 0);
    }
    return value;
  }

  // Returns the first place from `at` on where a byte stands and `test` is true of the
  // place; -1 for none.
  find(byte, at, stop, test) {
    while ((at = this.data.indexOf(byte, at)) >= 0 && at < stop) {
      if (test(at)) return at;
      at += 1;
    }
    return -1;
  }

  findText(text, at, stop = this.size) {
    const fits = (place) => this.text(place, text.length) === text;
    return this.find(text.charCodeAt(0), at, stop, fits);
  }

  isZero(from, to) {
    return this.data.subarray(from, to).every((byte) => byte === 0);
  }

  // Returns stretches `[from, to]` as one array.
  joined(stretches) {
    return joinArrays(stretches.map((stretch) => this.data.subarray(...stretch)));
  }
}

// Returns typed arrays of one kind as one array.
function joinArrays(parts) {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const all = new parts[0].constructor(length);
  let place = 0;
  for (const part of parts) {
    all.set(part, place);
    place += part.length;
  }
  return all;
}
