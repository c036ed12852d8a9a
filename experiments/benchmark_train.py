"""The published training iteration in PyTorch and ours, in alternation.

    pip install torch && python experiments/benchmark_train.py 4x173 16x173 4x1292

Shapes are batch x frames, of 1025 bins; an iteration is five critic updates and one of
the generator, full critic. Each side runs in a process of its own and waits while the
other works; both use the same number of threads and the C library's allocator as it
is, or with KEEP=1 told not to return memory to the system. Before anything is timed the
PyTorch side must give the golden vectors' losses and gradients.
"""

import ctypes
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import time

import numpy as np
from command_line import arguments

BINS = 1025
THREADS = len(os.sched_getaffinity(0))
GOLDEN = os.environ.get("CAK_GOLDEN_DIR", pathlib.Path("tests/golden"))
# Multiplications and additions of one example's way forward through the critic, per
# frame and bin of 1025 x 173: 1.47 GFLOP.
FLOP_PER_VALUE = 1.47e9 / (1025 * 173)
# Ways through the critic, forward or back by input or by weights, of an iteration: 12
# per critic update (real, fake and mixed forward and back; the penalty's second time
# back) and 2 in the generator's.
PASSES = 5 * 12 + 2


def keep_memory():
    """Tell glibc never to map or trim, so that pages are touched once."""
    library = ctypes.CDLL(None)
    mmap_max, trim_threshold = -4, -1
    assert library.mallopt(mmap_max, 0) and library.mallopt(trim_threshold, 2**31 - 1)


def data(batch, frames):
    """Return x_in, x_target, control, alpha."""
    rng = np.random.default_rng(0)
    shape = (batch, BINS, frames)
    draw = lambda *shape: rng.random(shape, np.float32)  # noqa: E731
    return draw(*shape), draw(*shape), draw(batch), draw(5, batch)


def torch_iteration(batch, frames):
    """Return a function that makes one iteration in PyTorch."""
    import published_torch
    import torch

    torch.set_num_threads(THREADS)
    check_torch(published_torch, torch)
    torch.manual_seed(0)
    game = published_torch.Game()
    x_in, x_target, control, alpha = map(torch.from_numpy, data(batch, frames))
    x_in, x_target = x_in[:, None], x_target[:, None]
    return lambda: game.iteration(x_in, x_target, control, alpha, 20.0)


def check_torch(published_torch, torch):
    """Compare losses and gradients with the published system's."""
    with np.load(pathlib.Path(GOLDEN) / "losses.npz") as file:
        golden = {name: file[name] for name in file.files}
    game = published_torch.Game()
    game.load(golden, "w_")
    heat = 2.0 + 18.0 * min(1.0, float(golden["epoch"]) / 5.0)
    part = lambda name: torch.from_numpy(golden[name])  # noqa: E731
    x_in, x_target = part("x_in")[:, None], part("x_target")[:, None]
    control = part("control")

    def same(ours, name):
        ours = ours.detach().numpy().ravel()
        error = np.linalg.norm(ours - golden[name].ravel())
        assert error <= 1e-5 * np.linalg.norm(golden[name]) + 1e-7, (name, error)

    loss, _ = game.critic_loss(x_in, x_target, control, part("alpha"), heat)
    loss.backward()
    same(loss, "critic_loss")
    same(game.detector.weight.grad, "critic_grad_kernel")
    for name, index in published_torch.LAYERS.items():
        same(game.realism[index].weight.grad, f"critic_grad_{name}_w")
    game.zero_grad()
    loss, _ = game.generator_loss(x_in, x_target, control, heat)
    loss.backward()
    same(loss, "generator_loss")
    same(game.detector.weight.grad, "generator_grad_kernel")
    same(game.scale.grad, "generator_grad_scale")


def jax_iteration(batch, frames):
    """Return a function that makes one iteration of ours."""
    import jax

    from cak_jax.model import compiler, train_step
    from cak_jax.model.train_state import GameSpec, create_state, make_hparams
    from cak_jax.training import devices

    part = devices.examples_per_pass(batch, BINS * frames, 32)
    spec = GameSpec(microbatch=part)
    state = create_state(jax.random.key(0), spec)
    hparams = make_hparams()
    x_in, x_target, control, alpha = map(jax.device_put, data(batch, frames))
    pairs = train_step.Batch(x_in, x_target, control)
    jitted = jax.jit(
        train_step.train_iteration, static_argnames="spec", donate_argnames="state"
    )
    lowered = jitted.lower(state, pairs, alpha, hparams, spec=spec)
    options = compiler.compiler_options(jax.default_backend())
    program = lowered.compile(compiler_options=options)

    def iterate():
        nonlocal state
        state, metrics = program(state, pairs, alpha, hparams)
        return float(metrics["generator_loss"])

    return iterate


def matmul_rate():
    """Return GFLOP/s of a float32 product of 4096 x 4096 matrices in PyTorch."""
    import torch

    torch.set_num_threads(THREADS)
    a = torch.ones(4096, 4096)
    times = []
    for _ in range(6):
        began = time.perf_counter()
        a @ a
        times.append(time.perf_counter() - began)
    return 2 * 4096**3 / min(times) / 1e9


def work(side, batch, frames):
    """Answer each line of input with an iteration's seconds and the peak MB."""
    if os.environ.get("KEEP") == "1":
        keep_memory()
    iterate = {"torch": torch_iteration, "jax": jax_iteration}[side](batch, frames)
    for _ in sys.stdin:
        began = time.perf_counter()
        iterate()
        seconds = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        print(json.dumps([seconds, peak]), flush=True)


def compare(batch, frames, rounds):
    """Time both sides in alternation and print a row."""
    sides = {}
    for side in ("torch", "jax"):
        command = [sys.executable, __file__, "--work", side, str(batch), str(frames)]
        sides[side] = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    times = {side: [] for side in sides}
    peak = {}
    for number in range(rounds + 1):
        for side, process in sides.items():
            process.stdin.write("\n")
            process.stdin.flush()
            seconds, peak[side] = json.loads(process.stdout.readline())
            if number:  # the first warms up
                times[side].append(seconds)
    for process in sides.values():
        process.stdin.close()
        process.wait()
    median = {side: statistics.median(values) for side, values in times.items()}
    ratio = statistics.median(
        a / b for a, b in zip(times["torch"], times["jax"], strict=True)
    )
    work_done = FLOP_PER_VALUE * BINS * frames * batch * PASSES / 1e9
    rate = matmul_rate()
    share = {side: work_done / value / rate for side, value in median.items()}
    print(
        f"| {batch} x 1025 x {frames} | {median['torch']:.2f} | {median['jax']:.2f} | "
        f"{ratio:.2f} | {share['torch']:.0%} | {share['jax']:.0%} | {rate:.0f} | "
        f"{peak['torch']:.0f} | {peak['jax']:.0f} |",
        flush=True,
    )


def main(arguments):
    """Compare at every shape given as `BATCHxFRAMES`, or `BATCHxFRAMESxROUNDS`."""
    if arguments[0] == "--work":
        return work(arguments[1], int(arguments[2]), int(arguments[3]))
    print(f"{THREADS} threads, KEEP={os.environ.get('KEEP', '0')}")
    print("| shape | PyTorch s | ours s | ratio | PyTorch share | our share | "
          "matmul GFLOP/s | PyTorch MB | our MB |")  # fmt: skip
    print("| --- " * 9 + "|")
    for shape in arguments:
        batch, frames, *rounds = map(int, shape.split("x"))
        compare(batch, frames, rounds[0] if rounds else 5)


if __name__ == "__main__":
    main(arguments(__doc__, 1))
