"""What a run that goes on may change of its configuration."""

from cak_jax.training import config as config_lib


def shipped(name):
    return config_lib.load_file(config_lib.find(name))


def test_runs_of_the_former_default_name_go_on():
    now = {"name": "", "train.learning_rate_decay": "none"}
    former = now | {"name": "my effect"}
    assert config_lib.differences(former, now) == []
    assert config_lib.differences(now | {"name": "bells"}, now) == ["name: bells -> "]
    changed = config_lib.differences(former, now | {"name": "b"})
    assert changed == ["name: my effect -> b"]


def test_differences_and_what_is_free():
    old, new = shipped("default"), shipped("default")
    new.train.learning_rate_decay = old.train.learning_rate_decay = "none"
    new.train.learning_rate_warmup = old.train.learning_rate_warmup = 0.0
    new.train.epochs, new.corpus.path, new.output.previews = 99, "elsewhere", 0
    flats = [config_lib.flatten(c) for c in (old, new)]
    assert config_lib.differences(*flats) == []
    assert config_lib.digest(old) == config_lib.digest(new)
    new.game.critic_widths = (8, 16, 33)
    flats = [config_lib.flatten(c) for c in (old, new)]
    changed = "game.critic_widths: [8, 16, 32] -> [8, 16, 33]"
    assert config_lib.differences(*flats) == [changed]
    assert config_lib.digest(old) != config_lib.digest(new)
    # A cosine ends with the run, and a warm-up is a share of it: there the length is
    # bound.
    for decay, warmup in (("cosine", 0.0), ("none", 0.1)):
        shorter, longer = shipped("default"), shipped("default")
        for config, epochs in ((shorter, 10), (longer, 11)):
            config.train.learning_rate_decay = decay
            config.train.learning_rate_warmup = warmup
            config.train.epochs = epochs
        flats = [config_lib.flatten(c) for c in (shorter, longer)]
        assert config_lib.differences(*flats) == ["train.epochs: 10 -> 11"]


def test_runs_of_the_earlier_default_go_on_with_relative():
    """Until the default heard, it had these values where it has others now."""
    earlier = config_lib.flatten(shipped("default")) | {
        "corpus.labels": "random",
        "game.audit": "relative",
        "game.pairing": "random",
        "game.spacing": [1, 1],
        "game.critic_steps": 3,
        "game.weight_compliance": 20.0,
        "game.weight_reconstruction": 5.0,
        "game.weight_pattern": 0.01,
        "game.weight_direction": 0.0,
        "game.weight_level": 0.0,
        "game.weight_pattern_size": 0.0,
        "game.leash": 0.5,
        "game.kernel_gain": 1.0,
        "gate.anneal_epochs": 5.0,
        "train.epochs": 8,
        "train.least_steps": 0,
        "train.crop_frames": 64,
        "train.crop_bins": 256,
        "train.learning_rate_generator": 4e-3,
        "train.learning_rate_warmup": 0.0,
    }
    assert (relative := config_lib.flatten(shipped("relative"))) == earlier
    oldest = {f: v for f, v in earlier.items() if f not in config_lib.LATER}
    assert config_lib.differences(oldest, relative) == []
