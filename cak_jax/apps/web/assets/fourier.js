// The discrete Fourier transform in place, for a power of two points: radix 2.

class Fourier {
  constructor(size) {
    this.size = size;
    this.cosine = new Float64Array(size / 2);
    this.sine = new Float64Array(size / 2);
    for (let k = 0; k < size / 2; k++) {
      this.cosine[k] = Math.cos((2 * Math.PI * k) / size);
      this.sine[k] = Math.sin((2 * Math.PI * k) / size);
    }
    this.reversed = new Uint32Array(size);
    for (let k = 1; k < size; k++) {
      this.reversed[k] = (this.reversed[k >> 1] >> 1) | (k & 1 ? size / 2 : 0);
    }
  }

  // X[k] = sum x[t] exp(-2 pi i k t / size)
  forward(real, imaginary) {
    this.reorder(real, imaginary);
    const { size, cosine, sine } = this;
    for (let half = 1; half < size; half *= 2) {
      const stride = size / (2 * half);
      for (let start = 0; start < size; start += 2 * half) {
        for (let k = 0; k < half; k++) {
          const a = start + k, b = a + half;
          const c = cosine[k * stride], s = sine[k * stride];
          const r = real[b] * c + imaginary[b] * s;
          const i = imaginary[b] * c - real[b] * s;
          real[b] = real[a] - r;
          imaginary[b] = imaginary[a] - i;
          real[a] += r;
          imaginary[a] += i;
        }
      }
    }
  }

  // The inverse without the factor 1 / size: the forward transform with real and
  // imaginary parts swapped.
  backward(real, imaginary) {
    this.forward(imaginary, real);
  }

  reorder(real, imaginary) {
    for (let k = 0; k < this.size; k++) {
      const other = this.reversed[k];
      if (other <= k) continue;
      // Destructuring would leave arrays for the garbage collector.
      const r = real[k], i = imaginary[k];
      real[k] = real[other];
      imaginary[k] = imaginary[other];
      real[other] = r;
      imaginary[other] = i;
    }
  }
}
