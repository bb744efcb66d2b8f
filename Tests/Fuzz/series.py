"""PatchTST and the Time Series Transformer."""

import torch
import transformers as t

from draw import Case


def series(r, batch, length, channels):
    """Series that rise and swing, far from zero; now and then one that never moves."""
    time = torch.arange(length)[None, :, None] / 5
    swing = (r.normal(batch, 1, channels) + time).sin() * r.normal(batch, 1, channels).exp()
    values = 3 * r.normal(batch, 1, channels) + swing + 0.3 * r.normal(batch, length, channels)
    if r.chance(0.2):
        values[:1, :, :1] = r.one(0.0, 2.5)
    return values


def observed(r, values):
    """Which values are there; now and then none of a series."""
    seen = (torch.rand(values.shape, generator=r.torch) > r.one(0.2, 0.8)).float()
    if r.chance(0.3):
        seen[:1] = 0
    return seen


SCALING = "mean", "std", True, False, None
DISTRIBUTIONS = "student_t", "normal", "negative_binomial"


def patchtst(r):
    hidden, heads = r.heads(2, even=r.chance(0.7))
    kind = r.one(t.PatchTSTModel, t.PatchTSTForPrediction, t.PatchTSTForClassification,
                 t.PatchTSTForRegression, t.PatchTSTForPretraining)
    patch = r.to(1, 8)
    context, channels = patch + r.to(1, 30), r.to(1, 4)
    covered = kind is t.PatchTSTForPretraining or r.chance(0.15)
    config = t.PatchTSTConfig(
        d_model=hidden, num_attention_heads=heads, context_length=context, patch_length=patch,
        patch_stride=r.to(1, 2 * patch), num_input_channels=channels,
        num_hidden_layers=r.to(1, 3), ffn_dim=r.to(1, 40), prediction_length=r.to(1, 9),
        num_targets=r.to(1, 5), distribution_output=r.one(*DISTRIBUTIONS),
        scaling=r.one(*SCALING),
        **(dict(do_mask_input=True, mask_type="forecast",
                num_forecast_mask_patches=r.one([1], [2], 1)) if covered else {}),
        **r.some(
            positional_encoding_type="random", norm_type="layernorm", pre_norm=False,
            use_cls_token=True, channel_attention=True, share_embedding=False,
            pooling_type=r.one("max", "mean", None), loss="nll", bias=False, norm_eps=r.epsilon(),
            activation_function=r.one("gelu", "relu", "gelu_new", "silu", "tanh", "mish"), mask_value=r.one(1, -2.5),
            unmasked_channel_indices=[r.to(0, channels - 1)], share_projection=r.chance(0.8),
            output_range=[-2.5, 4]))
    values = [series(r, count, context, channels) for count in (1, 3)]
    return Case(kind, config, {
        "one": {"past_values": values[0]},
        "three": {"past_values": values[1], "past_observed_mask": observed(r, values[1])},
        "half": {"past_values": values[1] * 1e-3, "past_observed_mask": observed(r, values[1]).bool()},
    })


def transformer(r):
    heads = r.to(1, 3)
    hidden = heads * r.to(1, 3) * r.one(2, 4, 6)
    horizon, categories = r.to(1, 6), r.to(0, 2)
    lags = r.sample(range(1, 12), r.to(1, 4))
    config = t.TimeSeriesTransformerConfig(
        d_model=hidden, encoder_attention_heads=heads, decoder_attention_heads=heads,
        prediction_length=horizon, encoder_layers=r.to(1, 2), decoder_layers=r.to(1, 2),
        encoder_ffn_dim=r.to(1, 30), decoder_ffn_dim=r.to(1, 30), input_size=r.one(1, 1, 2, 3),
        num_time_features=r.to(0, 2), num_dynamic_real_features=r.to(0, 2),
        num_static_real_features=r.to(0, 2), num_static_categorical_features=categories,
        distribution_output=r.one(*DISTRIBUTIONS), scaling=r.one(*SCALING),
        **({"cardinality": [r.to(1, 12) for _ in range(categories)]} if categories else {}),
        **({"embedding_dimension": [r.to(1, 5) for _ in range(categories)]}
           if categories and r.chance(0.5) else {}),
        **r.some(context_length=r.to(1, 14), lags_sequence=lags,
                 activation_function=r.activation(), minimum_scale=0.25, default_scale=1.5))
    kind = r.one(t.TimeSeriesTransformerModel, t.TimeSeriesTransformerForPrediction)
    return Case(kind, config, {
        "one": features(r, config, 1, False), "three": features(r, config, 3, True)})


def features(r, config, batch, masked):
    past = config.context_length + max(config.lags_sequence)
    horizon = config.prediction_length
    whole = series(r, batch, past + horizon, config.input_size)
    if config.distribution_output == "negative_binomial":
        whole = whole.abs().round()
    if config.input_size == 1:
        whole = whole[:, :, 0]
    inputs = {"past_values": whole[:, :past], "future_values": whole[:, past:]}
    known = config.num_time_features + config.num_dynamic_real_features
    inputs["past_time_features"] = r.normal(batch, past, known)
    inputs["future_time_features"] = r.normal(batch, horizon, known)
    inputs["past_observed_mask"] = torch.ones_like(inputs["past_values"])
    if masked:
        inputs["past_observed_mask"] = observed(r, inputs["past_values"])
    if config.num_static_real_features:
        inputs["static_real_features"] = r.normal(batch, config.num_static_real_features)
    if config.num_static_categorical_features:
        inputs["static_categorical_features"] = torch.cat(
            [r.ids(count, batch, 1) for count in config.cardinality], 1)
    return inputs


FAMILIES = {"patchtst": patchtst, "time-series-transformer": transformer}
