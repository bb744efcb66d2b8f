"""Makes the fixtures of time series in Tests/Fixtures/models, as record_models.py does the others.

    python3 Tests/Fixtures/record_series.py [NAME ...]

    inputs.safetensors, expected.safetensors            three series, some of their values missing
    inputs-ids.safetensors, expected-ids.safetensors    two series without what may be left out
    quartiles.json                                      of samples (models of distributions)

Outputs that are tuples in transformers are recorded as `name.0`, `name.1` and so on.
"""

import os
import shutil
import sys

import torch
import transformers as t
from safetensors.torch import load_file, save_file

import fixture_models as fixtures
from record_models import ROOT, load, note_versions, write_json


def patchtst(hidden, heads, context, patch, stride, **more):
    return t.PatchTSTConfig(**{
        "d_model": hidden, "num_attention_heads": heads, "context_length": context,
        "patch_length": patch, "patch_stride": stride, "num_input_channels": 3,
        "num_hidden_layers": 2, "ffn_dim": 29, "prediction_length": 7, **more})


def transformer(hidden, **more):
    return t.TimeSeriesTransformerConfig(**{
        "d_model": hidden, "prediction_length": 5, "context_length": 11, "encoder_layers": 2,
        "decoder_layers": 2, "encoder_ffn_dim": 23, "decoder_ffn_dim": 31, **more})


FIXTURES = {
    "patchtst": (t.PatchTSTModel, patchtst(
        21, 3, 23, 5, 3, positional_encoding_type="random", norm_type="layernorm",
        pre_norm=False, use_cls_token=True)),
    # A covered model says where it is.
    "patchtst-covered": (t.PatchTSTModel, patchtst(
        12, 2, 19, 4, 3, do_mask_input=True, mask_type="forecast", num_forecast_mask_patches=2,
        mask_value=-2, unmasked_channel_indices=[2])),
    "patchtst-prediction": (t.PatchTSTForPrediction, patchtst(
        20, 4, 29, 4, 4, channel_attention=True, pooling_type=None)),
    "patchtst-prediction-distribution": (t.PatchTSTForPrediction, patchtst(
        18, 2, 17, 3, 2, loss="nll", pre_norm=False, activation_function="relu", bias=False)),
    "patchtst-classification": (t.PatchTSTForClassification, patchtst(
        15, 3, 19, 6, 5, positional_encoding_type="random", share_embedding=False,
        scaling="mean", num_targets=4)),
    "patchtst-regression": (t.PatchTSTForRegression, patchtst(
        14, 2, 13, 3, 3, pooling_type="max", num_targets=2, output_range=[-2.5, 4],
        scaling=None)),
    "patchtst-regression-distribution": (t.PatchTSTForRegression, patchtst(
        14, 2, 13, 3, 1, loss="nll", distribution_output="negative_binomial",
        use_cls_token=True, scaling="std", minimum_scale=0.25)),
    "patchtst-pretraining": (t.PatchTSTForPretraining, patchtst(
        15, 5, 22, 4, 3, positional_encoding_type="random", mask_type="forecast",
        num_forecast_mask_patches=[3], mask_value=1, unmasked_channel_indices=[1],
        use_cls_token=True, num_input_channels=2)),
    "time-series-transformer": (t.TimeSeriesTransformerModel, transformer(
        24, input_size=2, lags_sequence=[3, 1, 8], num_time_features=2,
        num_dynamic_real_features=1, num_static_real_features=3,
        num_static_categorical_features=2, cardinality=[7, 5], embedding_dimension=[3, 2],
        scaling="std")),
    "time-series-transformer-prediction": (t.TimeSeriesTransformerForPrediction, transformer(
        18, num_time_features=2, encoder_attention_heads=3, num_static_categorical_features=1,
        cardinality=[11])),
    "time-series-transformer-prediction-normal": (
        t.TimeSeriesTransformerForPrediction, transformer(
            20, input_size=2, lags_sequence=[1, 2, 5], num_time_features=1,
            distribution_output="normal", scaling="std", activation_function="relu",
            num_static_real_features=1)),
    # No lag reaches the future, and the tables of the categories differ in size.
    "time-series-transformer-prediction-counts": (
        t.TimeSeriesTransformerForPrediction, transformer(
            16, lags_sequence=[9, 5], distribution_output="negative_binomial", scaling="mean",
            num_dynamic_real_features=1, num_static_categorical_features=2,
            cardinality=[3, 19])),
}


def build(name):
    kind, config = FIXTURES[name]
    torch.manual_seed(fixtures.seed(name))
    config.architectures = [kind.__name__]
    model = kind(config)
    generator = torch.Generator().manual_seed(fixtures.seed(name))
    fixtures.randomise(model, generator)
    for key, buffer in model.named_buffers():
        if key.endswith("running_mean"):
            buffer.copy_(0.4 * torch.randn(buffer.shape, generator=generator))
        elif key.endswith("running_var"):
            buffer.copy_(0.3 + torch.rand(buffer.shape, generator=generator))
    return model.eval()


def random_inputs(config, generator, batch, masked):
    """Series that rise and swing, far from zero, with features around one."""
    def noise(*shape):
        return torch.randn(shape, generator=generator)

    def series(length, channels):
        time = torch.arange(length)[None, :, None] / 5
        swing = (noise(batch, 1, channels) + time).sin() * noise(batch, 1, channels).exp()
        return 3 * noise(batch, 1, channels) + swing + 0.3 * noise(batch, length, channels)

    if config.model_type == "patchtst":
        past = series(config.context_length, config.num_input_channels)
        inputs = {"past_values": past}
    else:
        length = config.context_length + max(config.lags_sequence)
        horizon, channels = config.prediction_length, config.input_size
        whole = series(length + horizon, channels)
        if channels == 1:
            whole = whole[:, :, 0]
        inputs = {"past_values": whole[:, :length].contiguous(),
                  "future_values": whole[:, length:].contiguous()}
        known = config.num_time_features + config.num_dynamic_real_features
        if known:
            inputs["past_time_features"] = noise(batch, length, known)
            inputs["future_time_features"] = noise(batch, horizon, known)
        if config.num_static_real_features:
            inputs["static_real_features"] = noise(batch, config.num_static_real_features)
        if config.num_static_categorical_features:
            inputs["static_categorical_features"] = torch.stack([
                torch.randint(0, count, (batch,), generator=generator)
                for count in config.cardinality], 1)
    if masked:
        seen = (torch.rand(inputs["past_values"].shape, generator=generator) > 0.2).float()
        inputs["past_values"] = inputs["past_values"] * seen
        inputs["past_observed_mask"] = seen
    return inputs


def forward(model, inputs):
    inputs = dict(inputs)
    if model.config.model_type == "time_series_transformer":
        past = inputs["past_values"]
        inputs.setdefault("past_observed_mask", torch.ones_like(past))
        for name, key in ("past_time_features", "past_values"), (
                "future_time_features", "future_values"):
            inputs.setdefault(name, past.new_zeros(past.shape[0], inputs[key].shape[1], 0))
    with torch.no_grad():
        outputs = model(**inputs)
    tensors = {}
    for name, value in outputs.items():
        if isinstance(value, torch.Tensor) and name != "loss":
            tensors[name] = value.contiguous()
        elif isinstance(value, tuple) and name != "past_key_values":
            for index, part in enumerate(value):
                tensors[f"{name}.{index}"] = part.contiguous()
    return tensors


def record_case(model, inputs, directory, suffix):
    expected = forward(model, inputs)
    torch.set_default_dtype(torch.float64)  # the causal mask is made in it
    exact = forward(model.double(), {
        k: v.double() if v.is_floating_point() else v for k, v in inputs.items()})
    torch.set_default_dtype(torch.float32)
    model.float()
    for name, value in expected.items():
        if value.dtype == torch.bool:
            continue
        off = (value - exact[name]).abs().max() / exact[name].abs().max().clamp_min(1e-30)
        assert off < 4e-5, f"{directory}: {name} is off by {off:.1e}: weights too wild for f32"
    save_file(inputs, os.path.join(directory, f"inputs{suffix}.safetensors"))
    save_file(expected, os.path.join(directory, f"expected{suffix}.safetensors"))
    return {name: list(value.shape) for name, value in expected.items()}


def record_quartiles(model, directory):
    """Quartiles of 8,000 samples after the first series of inputs-ids, step by step, the channels of
    a step side by side."""
    if "ForPrediction" not in type(model).__name__ or model.distribution_output is None:
        return
    torch.manual_seed(1)
    inputs = load_file(os.path.join(directory, "inputs-ids.safetensors"))
    inputs = {k: v[:1] for k, v in inputs.items() if k != "future_values"}
    model.config.num_parallel_samples = 8000
    sequences = model.generate(**inputs).sequences[0].flatten(1)
    model.config.num_parallel_samples = 100
    quartiles = torch.quantile(sequences, torch.tensor([0.25, 0.5, 0.75]), dim=0)
    write_json(os.path.join(directory, "quartiles.json"), {
        name: [round(x, 5) for x in row.tolist()]
        for name, row in zip(("lower", "median", "upper"), quartiles)})


def main():
    torch.set_num_threads(1)
    t.logging.set_verbosity_error()
    names = sys.argv[1:] or list(FIXTURES)
    for name in names:
        kind, config = FIXTURES[name]
        directory = os.path.join(ROOT, name)
        shutil.rmtree(directory, ignore_errors=True)
        build(name).save_pretrained(directory, safe_serialization=True)
        model = load(directory, kind)
        generator = torch.Generator().manual_seed(fixtures.seed(name) + 1)
        shapes = record_case(
            model, random_inputs(config, generator, 3, True), directory, "")
        record_case(model, random_inputs(config, generator, 2, False), directory, "-ids")
        record_quartiles(model, directory)
        for file in os.listdir(directory):
            os.chmod(os.path.join(directory, file), 0o644)
        size = sum(os.path.getsize(os.path.join(directory, f)) for f in os.listdir(directory))
        print(f"{name:44} {size / 1024:6.0f} KB  {shapes}", flush=True)
    note_versions(names)


if __name__ == "__main__":
    main()
