"""What a model gives, how much of it is rounding, and whether something else is the same."""

import torch

TOLERANCE = 1e-4


class Skipped(Exception):
    """transformers itself cannot do it, or is not certain of it."""


class Refused(Exception):
    """Burin says in one line that it does not know a configuration."""


class Failed(Exception):
    pass


def tensors(outputs):
    """The outputs that are tensors; the parts of tuples by number."""
    found = {}
    for name, value in outputs.items():
        if isinstance(value, torch.Tensor) and name != "loss":
            found[name] = value
        elif isinstance(value, tuple) and name.endswith(("params", "outputs")):
            found |= {f"{name}.{i}": part for i, part in enumerate(value)}
    return {k: v.clone(memory_format=torch.contiguous_format) for k, v in found.items()}


def forward(model, inputs, call):
    with torch.no_grad():
        return tensors(model(**inputs, **call))


def noise(model, inputs, call):
    """What rounding may do to each output: how far f32 is from f64, and how far f64 moves when every
    weight does by as much as a rounding."""
    expected = forward(model, inputs, call)
    state = {k: v.clone() for k, v in model.state_dict().items()}
    torch.set_default_dtype(torch.float64)
    try:
        inputs = {k: v.double() if v.is_floating_point() else v for k, v in inputs.items()}
        exact = forward(model.double(), inputs, call)
        for value in model.parameters():
            value.data *= 1 + 2**-23 * torch.randn(value.shape)
        moved = forward(model, inputs, call)
    except RuntimeError:
        return {}  # something insists on f32
    finally:
        torch.set_default_dtype(torch.float32)
        model.float().load_state_dict(state)
    return {name: (expected[name] - exact[name]).abs() + (moved[name] - exact[name]).abs()
            for name in exact}


def meaningful(value, inputs):
    """Without what stands in padding."""
    mask = inputs.get("attention_mask")
    if mask is None or mask.ndim != 2 or value.shape[:2] != mask.shape:
        return value.flatten()
    return value[mask.bool()].flatten()


def compare(found, expected, inputs, noise):
    """What differs, in one line each; `noise()` is asked for where something does."""
    complaints = []
    for name in sorted(set(found) ^ set(expected)):
        if name in found or name not in ("past_key_values",):
            complaints.append(f"{name}: only {'Burin' if name in found else 'transformers'} has it")
    for name in sorted(set(found) & set(expected)):
        if found[name].shape != expected[name].shape:
            complaints.append(
                f"{name}: {list(found[name].shape)} for {list(expected[name].shape)}")
            continue
        ours, theirs = (meaningful(x[name], inputs).float() for x in (found, expected))
        if not len(theirs) or not theirs.isfinite().all():
            continue
        scale = max(float(theirs.abs().max()), 1e-30)
        off = float((ours - theirs).abs().nan_to_num(float("inf")).max()) / scale
        if off <= TOLERANCE:
            continue
        rough = noise()
        rough = float(meaningful(rough[name], inputs).max()) / scale if name in rough else 0
        if off > 8 * rough:
            complaints.append(f"{name}: off by {off:.1e} of {scale:.3g}, with noise of {rough:.1e}")
    return complaints
